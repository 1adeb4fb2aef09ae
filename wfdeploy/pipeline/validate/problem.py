"""What the rules for single values give back."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """A value that won't do: why, and what to do. Where it stands is known to the caller."""

    code: str
    message: str
    hint: str | None = None
