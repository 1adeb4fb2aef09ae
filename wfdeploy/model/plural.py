"""Counts in sentences."""

from __future__ import annotations


def several(count: int, noun: str = "run", plural: str = "") -> str:
    """`1 run`, `1,200 runs`; `plural`: where it isn't the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
