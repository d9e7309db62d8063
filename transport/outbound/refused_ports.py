"""Ports to which no webhook goes unless the operator says so. Values only.

Whoever may make a channel chooses where this machine sends a POST, its path and some of
its bytes. Sent to a mail server, a database or a printer these are lines of another
protocol, and some of those servers obey the lines that they understand (cross-protocol
scripting). Browsers have the same trouble with pages, and the same answer.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["REFUSED_PORTS"]

# The table "bad ports" of the Fetch standard (https://fetch.spec.whatwg.org/#port-
# blocking), as of 2026, without 0, which no URL of ours can name.
_FETCH: Final[Mapping[int, str]] = {
    1: "tcpmux",
    7: "echo",
    9: "discard",
    11: "systat",
    13: "daytime",
    15: "netstat",
    17: "qotd",
    19: "chargen",
    20: "ftp-data",
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    37: "time",
    42: "name",
    43: "nicname",
    53: "domain",
    69: "tftp",
    77: "priv-rjs",
    79: "finger",
    87: "ttylink",
    95: "supdup",
    101: "hostname",
    102: "iso-tsap",
    103: "gppitnp",
    104: "acr-nema",
    109: "pop2",
    110: "pop3",
    111: "sunrpc",
    113: "auth",
    115: "sftp",
    117: "uucp-path",
    119: "nntp",
    123: "ntp",
    135: "epmap",
    137: "netbios-ns",
    139: "netbios-ssn",
    143: "imap",
    161: "snmp",
    179: "bgp",
    389: "ldap",
    427: "svrloc",
    465: "submissions",
    512: "exec",
    513: "login",
    514: "shell",
    515: "printer",
    526: "tempo",
    530: "courier",
    531: "chat",
    532: "netnews",
    540: "uucp",
    548: "afp",
    554: "rtsp",
    556: "remotefs",
    563: "nntps",
    587: "submission",
    601: "syslog-conn",
    636: "ldaps",
    989: "ftps-data",
    990: "ftps",
    993: "imaps",
    995: "pop3s",
    1719: "h323gatestat",
    1720: "h323hostcall",
    1723: "pptp",
    2049: "nfs",
    3659: "apple-sasl",
    4045: "npp",
    4190: "sieve",
    5060: "sip",
    5061: "sips",
    6000: "x11",
    6566: "sane-port",
    6665: "ircu",
    6666: "ircu",
    6667: "ircu",
    6668: "ircu",
    6669: "ircu",
    6679: "osaut",
    6697: "ircs-u",
    10080: "amanda",
}

# A page in a browser is on another machine than the shop's servers; this node is not.
# Servers that stand beside it, often without a password, and that understand lines or
# even HTTP: a POST to Docker's or Elasticsearch's port is an order.
_BESIDE_A_SHOP: Final[Mapping[int, str]] = {
    445: "SMB",
    1433: "SQL Server",
    1521: "Oracle",
    2375: "Docker",
    2376: "Docker",
    2379: "etcd",
    2380: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    5672: "AMQP",
    6379: "Redis",
    8332: "Bitcoin Core",
    9042: "Cassandra",
    9200: "Elasticsearch",
    9300: "Elasticsearch",
    11211: "memcached",
    18332: "Bitcoin Core",
    18443: "Bitcoin Core",
    27017: "MongoDB",
}

REFUSED_PORTS: Final[Mapping[int, str]] = {**_FETCH, **_BESIDE_A_SHOP}
"""By port, what usually listens there. None is one that an operating system hands out
by itself (Linux: from 32768 on; IANA: from 49152 on), so that no test server meets it.
"""
