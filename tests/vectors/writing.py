"""Data as YAML text, in the ways that people write it. No library decides how it looks, so that it never changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any


class Raw(str):
    """A scalar as it is spelt, without quotes; or any text that is to stand there."""

    __slots__ = ()


@dataclass(frozen=True)
class Shared:
    """A value that gets an anchor where it first stands, and is an alias from then on."""

    name: str
    value: Any


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_WORDS = {"true", "false", "null"}
_BLOCK = re.compile(r"[^\s].*[^\s]\n?", re.DOTALL)


@dataclass(frozen=True)
class Style:
    """How one file is written; the shares are between 0 and 1."""

    indent: int = 2
    offset: int = 2  # of a list's dashes from their key
    flow: float = 0.0  # small collections in brackets
    single: float = 0.0  # quotes where none are needed
    double: float = 0.0
    block: float = 0.7  # block scalars for text of several lines
    comments: float = 0.0
    blanks: float = 0.0
    long_keys: float = 0.0
    eol: str = "\n"
    bom: bool = False
    final: bool = True  # a line end at the end
    marker: bool = False  # `---` also before the first document


def random_style(rng: Random) -> Style:
    """Mostly regular files: their shares are none or all, so that runs look alike."""
    pick = rng.choice
    return Style(
        indent=pick((2, 2, 2, 4)),
        offset=pick((0, 2, 2)),
        flow=pick((0.0, 0.0, 0.3, 1.0)),
        single=pick((0.0, 0.0, 0.0, 0.2, 1.0)),
        double=pick((0.0, 0.0, 0.0, 0.3, 1.0)),
        block=pick((0.0, 0.5, 1.0)),
        comments=pick((0.0, 0.0, 0.2, 1.0)),
        blanks=pick((0.0, 0.0, 0.3, 1.0)),
        long_keys=pick((0.0,) * 12 + (0.1,)),
        eol=pick(("\n",) * 8 + ("\r\n",) * 2),
        bom=rng.random() < 0.05,
        final=rng.random() < 0.95,
        marker=rng.random() < 0.2,
    )


class Writer:
    """Writes documents of one file, one after the other. `seed` decides what the shares leave open, for each run by
    its place, so that an edit of one leaves the text of the others as it is."""

    def __init__(self, style: Style, seed: str) -> None:
        self._style = style
        self._seed = seed
        self._rng = Random(seed)
        self._anchors: set[str] = set()

    def file(self, documents: list[Any]) -> bytes:
        """The whole file."""
        style = self._style
        parts: list[str] = []
        for number, document in enumerate(documents):
            self._anchors.clear()
            self._rng = Random(f"{self._seed}/{number}")
            marked = number > 0 or style.marker
            text = str(document) if isinstance(document, Raw) else "\n".join(self._block(document, 0, ())) + "\n"
            parts.append(f"---\n{text}" if marked else text)
        text = "".join(parts)
        if not style.final:
            text = text.rstrip("\n")
        text = text.replace("\n", style.eol)
        return (b"\xef\xbb\xbf" if style.bom else b"") + text.encode("utf-8", "surrogateescape")

    # --- collections ----------------------------------------------------------------------------------------

    def _block(self, value: Any, indent: int, path: tuple[Any, ...]) -> Iterator[str]:
        """Lines of a mapping or list that isn't empty."""
        pad = " " * indent
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from self._entry(pad, key, item, indent, (*path, key))
            return
        for number, item in enumerate(value):
            if len(path) == 2 and path[-1] == "runs":
                name = item.get("name", number) if isinstance(item, Mapping) else number
                self._rng = Random(f"{self._seed}/{name}")
                if number and self._chance(self._style.blanks):
                    yield ""
                if self._chance(self._style.comments):
                    yield f"{pad}# {self._rng.choice(COMMENTS)}"
            lines = list(self._item(item, indent + 2, (*path, number)))
            yield f"{pad}- {lines[0].lstrip(' ')}" if lines[0].strip() else f"{pad}-"
            yield from lines[1:]

    def _entry(self, pad: str, key: Any, item: Any, indent: int, path: tuple[Any, ...]) -> Iterator[str]:
        style = self._style
        name = self.flow(key)
        comment = f"  # {self._rng.choice(COMMENTS)}" if len(path) > 3 and self._chance(style.comments * 0.2) else ""
        if self._is_long(item):
            step = style.offset if isinstance(_bare(item), list) else style.indent
            head, body = self._anchor(item)
            if self._chance(style.long_keys):
                yield f"{pad}? {name}"
                yield f"{pad}: {head}".rstrip()
                step = max(step, 2)
            else:
                yield f"{pad}{name}:{' ' if head else ''}{head}{comment}"
            yield from self._block(body, indent + step, path)
            return
        text = _bare(item)
        if isinstance(text, str) and not isinstance(text, Raw) and self._can_be_block(text):
            yield from self._text(f"{pad}{name}: ", text, indent)
            return
        yield f"{pad}{name}: {self.flow(item)}{comment}"

    def _item(self, item: Any, indent: int, path: tuple[Any, ...]) -> Iterator[str]:
        if self._is_long(item):
            head, body = self._anchor(item)
            if head or not body:
                yield head
            yield from self._block(body, indent, path)
            return
        yield self.flow(item)

    def _anchor(self, item: Any) -> tuple[str, Any]:
        if not isinstance(item, Shared):
            return "", item
        self._anchors.add(item.name)
        return f"&{item.name}", item.value

    def _is_long(self, item: Any) -> bool:
        """Whether it goes over several lines."""
        if isinstance(item, Shared) and item.name in self._anchors:
            return False
        value = _bare(item)
        if not isinstance(value, Mapping | list) or not value:
            return False
        if _size(value) > 60:
            return True
        return not self._chance(self._style.flow)

    # --- scalars --------------------------------------------------------------------------------------------

    def flow(self, value: Any) -> str:
        """On one line."""
        if isinstance(value, Shared):
            if value.name in self._anchors:
                return f"*{value.name}"
            self._anchors.add(value.name)
            return f"&{value.name} {self.flow(value.value)}"
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{self.flow(key)}: {self.flow(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        if isinstance(value, str):
            return self._quoted(value)
        return json.dumps(value)

    def _quoted(self, text: str) -> str:
        is_plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
        style, draw = self._style, self._rng.random()
        if draw < style.single and text.isprintable():
            return "'" + text.replace("'", "''") + "'"
        if is_plain and draw >= style.double:
            return text
        if text.isprintable() and text and "'" not in text and self._chance(0.3):
            return f"'{text}'"
        escaped = self._chance(0.3) and max(text, default="") <= "\uffff"  # YAML knows no halves of pairs
        return json.dumps(text, ensure_ascii=escaped)

    def _can_be_block(self, text: str) -> bool:
        if "\n" not in text or _BLOCK.fullmatch(text) is None or not text.replace("\n", "").isprintable():
            return False
        return self._chance(self._style.block)

    def _text(self, head: str, text: str, indent: int) -> Iterator[str]:
        sign = self._rng.choice("||||>")
        yield f"{head}{sign}{'' if text.endswith(chr(10)) else '-'}"
        pad = " " * (indent + self._style.indent)
        for line in text.removesuffix("\n").split("\n"):
            yield f"{pad}{line}" if line else ""

    def _chance(self, share: float) -> bool:
        return share > 0 and (share >= 1 or self._rng.random() < share)


COMMENTS = (
    "as agreed", "TODO: ask growth", "name: commented-out", "see https://example.com/#why", "größer als zuvor",
    "'quoted'", "- name: not-a-run", "${{ vars.nothing }}", "a: b: c", "{[",
)  # fmt: skip


def _bare(item: Any) -> Any:
    return item.value if isinstance(item, Shared) else item


def _size(value: Any) -> int:
    """About how many characters it takes on one line."""
    if isinstance(value, Shared):
        return _size(value.value)
    if isinstance(value, Mapping):
        return sum(len(str(key)) + 4 + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(2 + _size(item) for item in value)
    return len(str(value))
