"""Output descriptors of public keys: read, judged, and addresses derived from them.

What is taken (BIP 380 to 383, 386): pkh, sh(wpkh), wpkh and tr of one key, and multi or
sortedmulti of several in sh, wsh or sh(wsh). Each key is an extended public one that
ends in `/*`, with unhardened steps. An account's xpub, ypub or zpub alone stands for
its receiving addresses, as BIP 44, 49, 84 and 86 lay them out.

Every text is read by this grammar first, and only what it knows is put before bdk, the
second opinion: bdk 3.1 aborts the whole process, past all `except`, over hardened steps
behind an xpub. Its first addresses have to be ours, or the descriptor is refused.

Errors say why and quote nothing: what was given may hold a private key. Pure.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, get_args

import msgspec
from coincurve import PublicKey
from embit.descriptor.checksum import checksum

from engine.bitcoin.address import script_to_address
from engine.bitcoin.secret_text import is_secret
from engine.errors import InvalidDescriptor
from engine.wallet.extended_key import (
    HARDENED,
    ExtendedKey,
    PublicKeyNode,
    ScriptKind,
    read_extended_key,
)
from engine.wallet.output_script import MAX_SIGNERS, multi_script, output_script

__all__ = ["MAX_LENGTH", "Descriptor", "kept_descriptor", "read_descriptor"]

MAX_LENGTH: Final = 4_000
"""Twenty keys with their origins are some 3,200 characters; more is refused unread."""

#: BIP 44, 49, 84, 86: the purpose, first step of the path of an account's key.
_PURPOSES: Final[dict[str, int]] = {"pkh": 44, "sh(wpkh)": 49, "wpkh": 84, "tr": 86}
_ACCOUNT_DEPTH: Final = 3

_STEP = r"(?:0|[1-9][0-9]{0,9})"
_ORIGIN = rf"\[(?P<origin>[0-9a-f]{{8}}(?:/{_STEP}['hH]?)*)\]"
_KEY: Final = re.compile(
    rf"(?:{_ORIGIN})?(?P<key>[1-9A-HJ-NP-Za-km-z]{{100,120}})(?P<path>(?:/{_STEP})*)/\*"
)
_ONE: Final = re.compile(r"(?P<form>pkh|wpkh|tr|sh\(wpkh)\((?P<key>[^()]*)\)+")
_MULTI: Final = re.compile(
    r"(?P<form>sh|wsh|sh\(wsh)\((?P<kind>multi|sortedmulti)\("
    r"(?P<needed>[1-9][0-9]?),(?P<keys>[^()]*)\)+"
)


class _Key(msgspec.Struct, frozen=True):
    """One key of a descriptor, and where its addresses' keys begin: `parent` is the
    key just above the `*`."""

    key: ExtendedKey
    origin: str | None  # fingerprint and path, as BIP 380 writes it, with h
    steps: tuple[int, ...]
    parent: PublicKeyNode

    @property
    def text(self) -> str:
        origin = "" if self.origin is None else f"[{self.origin}]"
        steps = "".join(f"/{step}" for step in self.steps)
        return f"{origin}{self.key}{steps}/*"


class Descriptor(msgspec.Struct, frozen=True):
    """A descriptor that was judged. `repr` and `text` hold public keys only.

    `identity`: what its addresses depend on, and nothing else: whoever writes the same
    wallet in another way, with another origin or an xpub from further up, has the same.
    """

    text: str  # with checksum, its keys as xpub or tpub
    network: str
    form: str  # pkh, sh(wpkh), wpkh, tr; sh, wsh or sh(wsh of several keys
    identity: str  # 32 hexadecimal digits
    base_path: str  # as a person reads it, without the index
    needed: int  # signatures, of a multi; else 0
    is_sorted: bool
    parents: tuple[PublicKeyNode, ...]

    def addresses(self, first: int, count: int) -> list[str]:
        """Those of so many indexes. Some 100 µs each; runs in any thread."""
        assert first >= 0, "no such index"
        assert first + count <= HARDENED, "the descriptor has no more addresses"
        return [self._text(script) for script in self._scripts(first, count)]

    def address(self, index: int) -> str:
        return self.addresses(index, 1)[0]

    def path(self, index: int) -> str:
        return f"{self.base_path}/{index}"

    def script(self, index: int) -> bytes:
        return next(self._scripts(index, 1))

    def _scripts(self, first: int, count: int) -> Iterator[bytes]:
        points = [PublicKey(parent.key) for parent in self.parents]
        pairs = list(zip(self.parents, points, strict=True))
        for index in range(first, first + count):
            keys = [p.add(parent.tweak(index)[0]).format() for parent, p in pairs]
            if not self.needed:
                yield output_script(self.form, keys[0])
            else:
                ordered = sorted(keys) if self.is_sorted else keys
                yield multi_script(self.form, self.needed, ordered)

    def _text(self, script: bytes) -> str:
        text = script_to_address(script, self.network)
        assert text is not None, "every script of ours has an address"
        return text


def read_descriptor(
    text: str, network: str, kind: ScriptKind | None = None
) -> Descriptor:
    """The descriptor that this says, on this network. `kind`: what an xpub or tpub
    alone is for, which it does not say itself.

    Raises `InvalidDescriptor`.
    """
    return _judged(_read(text, network, kind))


def kept_descriptor(text: str, network: str) -> Descriptor:
    """One that was judged when it was kept."""
    return _read(text, network, None)


def _read(text: str, network: str, kind: ScriptKind | None) -> Descriptor:
    if len(text) > MAX_LENGTH:
        raise InvalidDescriptor(f"it is longer than {MAX_LENGTH} characters")
    if is_secret(text):
        raise InvalidDescriptor.secret()
    text = text.strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidDescriptor("it has letters, digits and ()[]/*,#' only")
    if not text:
        raise InvalidDescriptor("a descriptor or an xpub is needed, and none was given")
    if "(" not in text:
        return _of_account(text, network, kind)
    body = _without_checksum(text)
    _refuse_what_is_known(body)
    if found := _ONE.fullmatch(body):
        made = _of_one(found, network)
    elif found := _MULTI.fullmatch(body):
        made = _of_several(found, network)
    else:
        raise InvalidDescriptor(
            "it is none that is taken here: pkh(…), wpkh(…), sh(wpkh(…)), tr(…), and"
            " multi(…) or sortedmulti(…) in wsh(…), sh(…) or sh(wsh(…))"
        )
    if kind is not None and kind != made.form:
        raise InvalidDescriptor(f"it says itself what it is for, and not {kind}")
    return made


def _without_checksum(text: str) -> str:
    body, mark, given = text.partition("#")
    if not mark:
        return body
    try:
        right = checksum(body)
    except ValueError:
        raise InvalidDescriptor("it has characters that no descriptor has") from None
    if given != right:
        raise InvalidDescriptor(
            "its checksum (behind #) is wrong: a character is mistyped or missing"
        )
    return body


def _refuse_what_is_known(body: str) -> None:
    """What other programs write, and we do not take, and why."""
    if "<" in body or ">" in body or ";" in body:
        raise InvalidDescriptor(
            "it is of several paths (<0;1>), of which one is for change: give the part"
            " for receiving alone, with /0/* in its place"
        )
    outside = re.sub(r"\[[^\]]*\]", "", body)
    # A step begins with its slash: a key may well end in a digit and an h itself.
    if re.search(r"/(?:[0-9]+|\*)['hH](?:[/,)]|$)", outside):
        raise InvalidDescriptor(
            "it has hardened steps (' or h) behind its key, which only the private key"
            " can take: give the key from below them"
        )
    if "*" not in outside:
        raise InvalidDescriptor(
            "it has one address only: without /* at its end there is no next one"
        )


def _of_account(text: str, network: str, kind: ScriptKind | None) -> Descriptor:
    """An account's key alone (BIP 44): its receiving addresses are below /0."""
    if "/" in text or "[" in text:
        raise InvalidDescriptor(
            "a path or an origin beside a key is written in a descriptor: wpkh(…/0/*)"
        )
    key = read_extended_key(text)
    _check_network(key, network)
    form = key.kind or kind
    if form is None:
        raise InvalidDescriptor(
            "an xpub alone does not say which addresses it is for: say pkh, sh(wpkh),"
            " wpkh or tr, as in wpkh(xpub…/0/*)"
        )
    if kind is not None and kind != form:
        raise InvalidDescriptor(
            f"its prefix says that it is for {form}, not for {kind}"
        )
    if key.depth != _ACCOUNT_DEPTH or key.number < HARDENED:
        raise InvalidDescriptor(
            f"its key is of depth {key.depth}, and an account's is of depth 3, below"
            " three hardened steps (BIP 44): give a descriptor that says which"
            " addresses are meant, as wpkh(…/0/*)"
        )
    one = _Key(key, None, (0,), key.node.child(0))
    return _made(form, [one], network, _base_path(one, form))


def _of_one(found: re.Match[str], network: str) -> Descriptor:
    form = found["form"]
    _check_brackets(found.group(), form.count("(") + 1)
    form = f"{form})" if "(" in form else form
    one = _key(found["key"], network, form)
    return _made(form, [one], network, _base_path(one, form))


def _of_several(found: re.Match[str], network: str) -> Descriptor:
    form, needed = found["form"], int(found["needed"])
    _check_brackets(found.group(), form.count("(") + 2)
    texts, most = found["keys"].split(","), MAX_SIGNERS[found["form"]]
    if not needed <= len(texts) <= most:
        raise InvalidDescriptor(
            f"it wants {needed} of {len(texts)} keys, and of {most} at most can be"
        )
    keys = [_key(text, network, None) for text in texts]
    is_sorted = found["kind"] == "sortedmulti"
    path = "/".join(str(step) for step in keys[0].steps)
    return _made(form, keys, network, path or "*", needed, is_sorted)


def _check_brackets(text: str, opened: int) -> None:
    if len(text) - len(text.rstrip(")")) != opened:
        raise InvalidDescriptor("its brackets do not match")


def _key(text: str, network: str, form: str | None) -> _Key:
    found = _KEY.fullmatch(text)
    if found is None:
        raise InvalidDescriptor(
            "its key is not [origin]xpub…/0/*: an origin if there is one, an extended"
            " public key, steps, and /* at the end"
        )
    key = read_extended_key(found["key"])
    _check_network(key, network)
    if key.kind is not None and form is not None and key.kind != form:
        raise InvalidDescriptor(
            f"the prefix of its key says that it is for {key.kind}, not for {form}"
        )
    steps = tuple(int(step) for step in found["path"].split("/")[1:])
    origin = found["origin"]
    if any(step >= HARDENED for step in steps) or (
        origin is not None and _steps_of(origin) is None
    ):
        raise InvalidDescriptor("a step of its path is 2^31 or more (BIP 32)")
    if origin is not None:
        origin = re.sub("['H]", "h", origin)
        if origin.count("/") != key.depth:
            raise InvalidDescriptor(
                f"its origin has {origin.count('/')} steps, and its key is of depth"
                f" {key.depth}"
            )
    return _Key(key, origin, steps, key.node.at(steps))


def _steps_of(origin: str) -> list[int] | None:
    """None: one of them is none."""
    steps = [int(step.rstrip("'hH")) for step in origin.split("/")[1:]]
    return None if any(step >= HARDENED for step in steps) else steps


def _check_network(key: ExtendedKey, network: str) -> None:
    if key.is_main != (network == "mainnet"):
        whose = "mainnet" if key.is_main else "testnet, signet or regtest"
        raise InvalidDescriptor(f"its key is of {whose}, and this node is on {network}")


def _base_path(one: _Key, form: str) -> str:
    """From the master key if the origin says how, or if it looks like an account's
    receiving addresses; else from the key that was given."""
    steps, key = [str(step) for step in one.steps], one.key
    if one.origin is None:
        account = key.number - HARDENED
        if key.depth == _ACCOUNT_DEPTH and account >= 0 and one.steps == (0,):
            coin = 0 if key.is_main else 1
            return f"m/{_PURPOSES[form]}'/{coin}'/{account}'/0"
        return "/".join(steps) if steps else "*"
    above = one.origin.replace("h", "'").split("/")[1:]
    return "/".join(["m", *above, *steps])


def _made(
    form: str,
    keys: list[_Key],
    network: str,
    base_path: str,
    needed: int = 0,
    is_sorted: bool = False,
) -> Descriptor:
    inner = ",".join(one.text for one in keys)
    if needed:
        inner = f"{'sortedmulti' if is_sorted else 'multi'}({needed},{inner})"
    opened = form.rstrip(")")
    body = f"{opened}({inner}" + ")" * (opened.count("(") + 1)
    parents = tuple(one.parent for one in keys)
    nodes = [parent.key + parent.chain_code for parent in parents]
    said = f"{form} {needed} {is_sorted} ".encode()
    said += b"".join(sorted(nodes) if is_sorted else nodes)
    return Descriptor(
        text=f"{body}#{checksum(body)}",
        network=network,
        form=form,
        identity=sha256(said).hexdigest()[:32],
        base_path=base_path,
        needed=needed,
        is_sorted=is_sorted,
        parents=parents,
    )


def _judged(made: Descriptor) -> Descriptor:
    """The same, if bdk reads it as we do: a wallet that sees none of the addresses
    that we give out would be money that nobody finds."""
    import bdkpython as bdk

    is_main = made.network == "mainnet"
    kind = bdk.NetworkKind.MAIN if is_main else bdk.NetworkKind.TEST
    try:
        other = bdk.Descriptor(made.text, kind)
    except bdk.DescriptorError as error:
        why = type(error).__name__
        raise InvalidDescriptor(f"a second library refuses it ({why})") from None
    network = {
        "mainnet": bdk.Network.BITCOIN,
        "testnet": bdk.Network.TESTNET,
        "signet": bdk.Network.SIGNET,
        "regtest": bdk.Network.REGTEST,
    }[made.network]
    for index in (0, 1, 1_000):
        if str(other.derive_address(index, network)) != made.address(index):
            text = "two libraries derive different addresses from it"
            raise InvalidDescriptor(text)
    return made


assert set(_PURPOSES) == set(get_args(ScriptKind)), "a kind without its BIP"
