"""Select runs: recorded ones under a `--label`, addresses that match a `--target`.

Targets are globs in which brackets are literal, since addresses have them; `%2A` and `%3F` stand for an asterisk and a
question mark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import takewhile

from wfdeploy.errors import UsageError
from wfdeploy.model.address import Address, Span, exactly
from wfdeploy.model.state import Record
from wfdeploy.model.status import ShownState
from wfdeploy.ports import RecordReader


def require_chosen(globs: Collection[str], labels: Collection[str], states: Collection[ShownState]) -> None:
    """Raises: `UsageError` where no runs are selected. Selecting nothing never means all runs."""
    if not (globs or labels or states):
        raise UsageError(
            "it must be said which runs: by an address, a glob such as 'group/*', a label (--label), or a state "
            "(--run-state, --failed)"
        )


class Targets:
    """A set of patterns: `*` any text, `?` one character, everything else itself. A pattern without a slash that isn't
    a glob names a whole group. Remembers which patterns matched nothing.

    also: what must hold of an address beside that.
    """

    def __init__(self, patterns: Sequence[str], also: Callable[[str], bool] | None = None) -> None:
        self._tests = [(pattern, _test(pattern)) for pattern in patterns]
        self._unmatched = set(patterns)
        self._also = also

    def __bool__(self) -> bool:
        return bool(self._tests) or self._also is not None

    @property
    def spans(self) -> list[Span] | None:
        """The spans of addresses that the patterns can match, in order and disjoint; None: any address."""
        found: list[Span] = []
        for span in sorted(map(_span, {pattern for pattern, _ in self._tests})):
            if not span.high:
                return None
            if found and span.low < found[-1].high:
                found[-1] = Span(found[-1].low, max(found[-1].high, span.high))
            else:
                found.append(span)
        return found or None

    def match(self, address: str) -> bool:
        """Whether any pattern matches. Without patterns, everything does."""
        hit = not self._tests
        for pattern, test in self._tests:
            if test(address):
                self._unmatched.discard(pattern)
                hit = True
        return hit and (self._also is None or self._also(address))

    def check(self) -> None:
        """Raises: `UsageError` naming the patterns that matched no address."""
        if self._unmatched:
            names = ", ".join(sorted(self._unmatched))
            raise UsageError(
                f"no declared or recorded run matches {names}",
                hint="addresses look like group/name; `wfdeploy plan --all` lists them",
            )


_PARTS = re.compile(r"%2A|%3F|.", re.DOTALL)
_SIGNS = {"*": ".*", "?": ".", "%2A": r"\*", "%3F": r"\?"}
_LITERALS = {"%2A": "*", "%3F": "?"}
"""An address never holds the escapes themselves: a percent sign of a key is written `%25`."""


def _span(pattern: str) -> Span:
    """The span of the addresses that a pattern can match; without an end: any address."""
    parts = _PARTS.findall(pattern)
    plain = list(takewhile(lambda part: part not in "*?", parts))
    text = "".join(_LITERALS.get(part, part) for part in plain)
    if len(plain) == len(parts):
        if "/" in text:
            return exactly(text)[0]
        text += "/"
    start = "".join(
        takewhile(lambda char: " " <= char <= "~", text)
    )  # what comes after any of these is a character too
    return Span(start, start[:-1] + chr(ord(start[-1]) + 1)) if start else Span("", "")


def _test(pattern: str) -> Callable[[str], object]:
    expression = "".join(_SIGNS.get(part) or re.escape(part) for part in _PARTS.findall(pattern))
    if "/" not in pattern and "*" not in pattern:
        expression += "/.*"
    return re.compile(expression, re.DOTALL).fullmatch


def labels_of(record: Record) -> list[str]:
    """The labels that a recorded run was given in its manifest."""
    labels = json.loads(record.request).get("labels") if record.request else None
    return labels if isinstance(labels, list) else []


def labelled(store: RecordReader, labels: Collection[str], *, strict: bool) -> Iterator[Address]:
    """Yield the recorded addresses under one of these labels. Raises, if `strict`: `UsageError`."""
    wanted, carried = set(labels), set[str]()
    for record in store.records():
        if found := wanted.intersection(labels_of(record)):
            carried |= found
            yield record.address
    if strict:
        require_labels(wanted, carried)


def require_labels(wanted: Collection[str], carried: Collection[str]) -> None:
    """Raises: `UsageError` for a label that no run carries: it is a typing error, as is a glob without a match."""
    missing = set(wanted).difference(carried)
    if missing:
        raise UsageError(
            f"no recorded run carries the label {', '.join(sorted(missing))}",
            hint="runs carry the labels that their manifest gave them when they were triggered",
        )
