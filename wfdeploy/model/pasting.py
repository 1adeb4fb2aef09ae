"""Addresses, and other words, in text that is printed to be pasted: into YAML, into a shell. A key may hold anything.

What is pasted means the address again, whatever stands in it; `tests/unit/model/test_pasting.py` reads it back.
"""

from __future__ import annotations

import json
import re
from shlex import quote

from wfdeploy.model.address import INVISIBLE

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*/[A-Za-z0-9._/-]*")
"""What is text in YAML without quotes, and surely nothing else: with a slash, it is no number."""

_INVISIBLE = re.compile(f"[{INVISIBLE}\ud800-\udfff]")

_NOT_IN_YAML = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def moved_entry(origin: str, to: str) -> str:
    """An entry of `moved:`, as a line of YAML."""
    return f"- {{from: {_yaml(origin)}, to: {_yaml(to)}}}"


def shell_word(text: str) -> str:
    """A word of a POSIX shell's command line; with something invisible in it, of bash's and zsh's."""
    if _INVISIBLE.search(text):
        data = text.encode(errors="surrogateescape")
        signs = (chr(byte) if byte < 0x80 and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in data)
        return f"$'{''.join(signs)}'"
    # `##[` begins a command to runners of CI jobs, and is escaped where they read along; to a shell, these quotes are
    # nothing.
    return quote(text).replace("##", "##''")


def shell_pattern(address: str) -> str:
    """The same where a command takes globs of addresses: one that matches this address and no other."""
    return shell_word(address.replace("*", "%2A").replace("?", "%3F"))


def _yaml(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
