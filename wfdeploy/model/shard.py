"""Shards: one part of all runs, the same part for everybody who asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_DIGIT = {char: value for value, char in enumerate("abcdefghijklmnopqrstuvwxyz234567")}
_DIGITS = 12
"""Of a place's digest, this many characters (60 bits) are the number that is divided: even for 9999 shards the parts
are equal to one in 10^14."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`th (from 1) of `count` parts. A run belongs to the part that the digest of its place falls into: the
    digest that its workflow run id holds too, so that both a manifest and a listing tell."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def covers(self, place: str) -> bool:
        """Whether the run at this place (the digest of project, environment and address) belongs to this part."""
        number = 0
        for char in place[:_DIGITS]:
            number = number << 5 | _DIGIT[char]
        return number % self.count == self.index - 1


def parse_shard(text: str) -> Shard:
    """`I/N`. Raises: `ValueError`."""
    match = _TEXT.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"{text!r} is not I/N with I from 1 to N, as in 2/4")
    return Shard(int(match[1]), int(match[2]))
