"""What colour is for. Renderers name a tone; who writes decides what it looks like, or that it looks like nothing.

Meaning never rests on a tone alone: there is always a sign or a word too.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Tone(Enum):
    GOOD = "good"  # new, fine
    CHANGED = "changed"  # will be different, look twice
    BAD = "bad"  # gone, failed
    CALM = "calm"  # for your information
    FAINT = "faint"  # secondary: places, reasons, units
    STRONG = "strong"  # headings and what the eye should find first


class Style(Protocol):
    """Dresses text for where it goes."""

    def __call__(self, text: str, tone: Tone, /) -> str: ...


def plain(text: str, _tone: Tone, /) -> str:
    """The style of pipes, files and tests: none."""
    return text
