"""Tallies: what a group's runs are, all of them together, in 32 bytes.

Two sides that hold equal tallies hold the same runs, so a group in which nothing changed costs one comparison, however
many runs it has. A tally is a sum of hashes (an additive multiset hash: Clarke et al., ASIACRYPT 2003), so it takes no
order and follows each change at the cost of that change. Sums of this kind resist accidents, not an attacker who can
choose terms by the billion; whoever writes the manifests has no use for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

_WIDTH = 32
_MODULUS = 1 << 8 * _WIDTH


@dataclass(frozen=True, slots=True)
class Tally:
    """A multiset of runs: how many, and the sum of their terms modulo 2^256."""

    count: int = 0
    total: int = 0

    def plus(self, count: int, total: int) -> Tally:
        """With `count` more runs whose terms sum up to `total`; both may be negative."""
        return Tally(self.count + count, (self.total + total) % _MODULUS)

    def to_bytes(self) -> bytes:
        """The sum, big-endian."""
        return self.total.to_bytes(_WIDTH)

    @classmethod
    def of(cls, terms: Iterable[int]) -> Tally:
        """The tally of these terms."""
        count = total = 0
        for value in terms:
            count += 1
            total += value
        return cls(count, total % _MODULUS)


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """The tally of all the runs of these."""
    total = Tally()
    for one in tallies:
        total = total.plus(one.count, one.total)
    return total


def term(address: str, fingerprint: str, delivery: str) -> int:
    """What one run adds: a number below 2^256. None of the three texts holds a line break."""
    return int.from_bytes(sha256(f"{address}\n{fingerprint}\n{delivery}".encode()).digest())
