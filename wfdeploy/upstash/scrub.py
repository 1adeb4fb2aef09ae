"""Secrets out of the server's words, before they are shown or stored."""

from __future__ import annotations

from collections.abc import Iterable


class Scrubber:
    """Replaces every given value, in whatever encoding it comes back, with `***`."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = tuple(values)

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "***")
        return text
