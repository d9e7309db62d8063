"""A network and an /etc of one process's own, for what cannot be tried on a shared one.

`enter` moves this process (before it has threads) into fresh network and mount
namespaces of Linux: there is a loopback device and nothing else, no address is taken,
any may be put on it, port 53 is free, and `put_over` shows the process another
/etc/resolv.conf than all others see. As root, or where the kernel lets anybody make a
user namespace. Raises `NotAllowed` elsewhere.
"""

import contextlib
import ctypes
import fcntl
import os
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, SOCK_DGRAM, if_nametoindex, socket

__all__ = ["NotAllowed", "add_addresses", "enter", "mount_over", "put_over"]

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """The kernel does not let this process have namespaces of its own."""


def enter() -> None:
    """See the module. For the rest of the process's life."""
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWNET | (0 if user == 0 else CLONE_NEWUSER)
    _call("unshare", flags)
    if user:
        with contextlib.suppress(OSError):
            Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    with socket(AF_INET, SOCK_DGRAM) as sock:
        up = struct.pack("16sH22x", b"lo", IFF_UP)
        fcntl.ioctl(sock, SIOCSIFFLAGS, up)


def put_over(path: str, content: str, folder: Path) -> None:
    """Have this process see another content in a file that exists."""
    new = folder / Path(path).name
    new.write_text(content)
    mount_over(new, path)


def mount_over(file: str | Path, path: str | Path) -> None:
    """Have this process see this file in the place of one that exists."""
    where = os.path.realpath(path).encode()
    _call("mount", os.fsencode(file), where, None, MS_BIND, None)


def add_addresses(texts: list[str]) -> None:
    """Have these be addresses of this machine, as far as this process sees."""
    for number, text in enumerate(texts):
        address = ip_address(text)
        if isinstance(address, IPv4Address):
            _add_v4(f"lo:{number}".encode(), address)
        else:
            _add_v6(address)


def _add_v4(alias: bytes, address: IPv4Address) -> None:
    with socket(AF_INET, SOCK_DGRAM) as sock:
        for request, value in (
            (SIOCSIFADDR, address.packed),
            (SIOCSIFNETMASK, b"\xff\xff\xff\xff"),
        ):
            fcntl.ioctl(
                sock, request, struct.pack("16sHH4s16x", alias, AF_INET, 0, value)
            )


def _add_v6(address: IPv6Address) -> None:
    with socket(AF_INET6, SOCK_DGRAM) as sock:
        asked = struct.pack("16sIi", address.packed, 128, if_nametoindex("lo"))
        fcntl.ioctl(sock, SIOCSIFADDR, asked)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        code = ctypes.get_errno()
        raise NotAllowed(f"{name}: {os.strerror(code)}")
