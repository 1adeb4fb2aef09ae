"""Addresses, the stable human key of a run: `group/name[key]@time`; and how they are printed to be pasted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from shlex import quote
from typing import NamedTuple, NewType

Address = NewType("Address", str)
"""`group/name`, `group/name[key]` where a generator made the run, `...@time` for a scheduled instance."""

GROUP_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""DNS-label-like (RFC 1123): no dots, since the project label joins its parts with dots."""

_ADDRESS = re.compile(r"([^/\[\]@]+)/([^/\[\]@]+)(?:\[(.*)\])?(?:@([^\[\]]+))?", re.DOTALL)
INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""What can't be seen, for the brackets of a regular expression. A fixed list: Unicode's own classes change with its
versions, and an address never may."""
_ESCAPED = f"[%{INVISIBLE}]"
_INSTANCE = re.compile(r"(.+)@([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)", re.DOTALL)
_ESCAPES = re.compile("(?:%[0-9A-F]{2})+")

MAX_KEY_LENGTH = 1000
"""Characters of a key."""


class AddressParts(NamedTuple):
    """An address taken apart.

    key: any text.
    at: a scheduled instance's UTC time.
    """

    group: str
    name: str
    key: str | None = None
    at: str | None = None

    def join(self) -> Address:
        """The address; `split_address` gives the parts back.

        Invisible characters and `%` in a key are percent-encoded as UTF-8, so that an address is always one line that
        can be seen. Brackets stay as they are: the last one closes the key.
        """
        key = "" if self.key is None else f"[{escaped_key(self.key)}]"
        at = "" if self.at is None else f"@{self.at}"
        return Address(f"{self.group}/{self.name}{key}{at}")


def escaped_key(key: str) -> str:
    """A key as it stands in an address. No two keys have the same form."""
    if key.isascii() and key.isprintable() and "%" not in key:
        return key
    return _escaped().sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), key)


@cache
def _escaped() -> re.Pattern[str]:
    return re.compile(_ESCAPED)


def split_address(text: str) -> AddressParts:
    """Take an address apart.

    Raises: `ValueError` when the text isn't an address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"not an address: {text!r} (expected group/name or group/name[key])")
    group, name, key, at = match.groups()
    if key is not None:
        key = _ESCAPES.sub(_unescaped, key)
    return AddressParts(group, name, key, at)


def _unescaped(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode(errors="replace")


def instance_parts(address: str) -> tuple[str, str] | None:
    """The recurring run and the time (as in `2026-11-23T03:00:00Z`) of an instance's address; None for any other."""
    match = _INSTANCE.fullmatch(address)
    return None if match is None else (match[1], match[2])


def group_of(address: str) -> str:
    """The group part of an address."""
    return address.partition("/")[0]


class Span(NamedTuple):
    """The addresses from `low` up to, but without, `high`, by code point."""

    low: str
    high: str


def exactly(*addresses: str) -> list[Span]:
    """The spans of these addresses, given in order, and no others."""
    return [Span(address, f"{address}\0") for address in addresses]


def whole_groups(names: Iterable[str]) -> list[Span]:
    """The spans of the addresses of these groups: all of a group begin with its name and a slash."""
    return [Span(f"{name}/", f"{name}0") for name in sorted(set(names), key="{}/".format)]


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*/[A-Za-z0-9._/-]*")
"""What is text in YAML without quotes, and surely nothing else: with a slash, it is no number."""

_INVISIBLE = re.compile(f"[{INVISIBLE}\ud800-\udfff]")

_NOT_IN_YAML = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def moved_entry(origin: str, to: str) -> str:
    """An entry of `moved:`, as a line of YAML. Whatever the addresses hold, it means them again."""
    return f"- {{from: {_yaml(origin)}, to: {_yaml(to)}}}"


def shell_word(text: str) -> str:
    """Quote a word for a POSIX shell's command line; with something invisible in it, for bash and zsh."""
    if _INVISIBLE.search(text):
        data = text.encode(errors="surrogateescape")
        signs = (chr(byte) if byte < 0x80 and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in data)
        return f"$'{''.join(signs)}'"
    # `##[` begins a command to runners of CI jobs, and is escaped where they read along; to a shell, these quotes are
    # nothing.
    return quote(text).replace("##", "##''")


def shell_pattern(address: str) -> str:
    """Quote an address where a command takes globs of addresses: it matches this address and no other."""
    return shell_word(address.replace("*", "%2A").replace("?", "%3F"))


def _yaml(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
