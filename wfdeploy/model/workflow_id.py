"""Workflow run ids as they are read: which are derived, what these say, and the listed runs that they identify.

`identify/run_ids.py` makes them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wfdeploy.model.observed import ObservedRun
    from wfdeploy.model.state import Attempt

PREFIX = "wfr_"

_AT = re.compile(r"(?:.*-)?([0-9]{4}-[0-9]{2}-[0-9]{2})t([0-9]{2})-([0-9]{2})-([0-9]{2})z")
_DIGEST = 26  # characters, as of `identify/digest.py`
_END = re.compile(rf"([a-z2-7]{{{_DIGEST}}})-g([1-9][0-9]*)-f([0-9]+)([a-z2-7]{{{_DIGEST}}})")


class RunIdParts(NamedTuple):
    """What a derived id holds.

    place: the digest of project, environment and address.
    at: the time, as in addresses, that it seems to be an instance of.
    """

    place: str
    generation: int
    fingerprint: str
    at: str | None = None


def parse_run_id(text: str) -> RunIdParts | None:
    """Read a derived id back; None when it isn't one. The prefix may stand once or more often."""
    key = id_key(text)
    start = key.rfind("-g") - _DIGEST  # found from behind: whole listings are read
    if start < len(PREFIX) or (start > len(PREFIX) and key[start - 1] != "-"):
        return None
    match = _END.fullmatch(key, start)
    if match is None:
        return None
    place, generation, version, digest_text = match.groups()
    slug = key[len(PREFIX) : start - 1]
    at = _AT.fullmatch(slug) if slug.endswith("z") else None
    time = None if at is None else f"{at[1]}T{at[2]}:{at[3]}:{at[4]}Z"
    return RunIdParts(place, int(generation), f"{int(version)}:{digest_text}", time)


def id_key(text: str) -> str:
    """The part of an id that is compared: the id with its prefix once.

    Servers and SDKs put `wfr_` before ids that already have it, and before those that don't.
    """
    if text.startswith(PREFIX) and not text.startswith(PREFIX, len(PREFIX)):
        return text  # as nearly all are: whole listings are read
    while text.startswith(PREFIX):
        text = text[len(PREFIX) :]
    return PREFIX + text


def own_id(text: str) -> str | None:
    """An id that its author gave, or the server to a resumed run; None for a derived one."""
    return text if parse_run_id(text) is None else None


class DerivedId(NamedTuple):
    """A derived id, as `id_key` gives it, and its parts."""

    text: str
    parts: RunIdParts


def read_derived_id(run: ObservedRun) -> DerivedId | None:
    """The derived id of a listed run: its id, or the label that says it where its author gave it another id. None for a
    run that has neither."""
    for text in (run.workflow_run_id, *run.labels):
        parts = parse_run_id(text)
        if parts is not None:
            return DerivedId(id_key(text), parts)
    return None


def derived_id(run: ObservedRun) -> str | None:
    """The text of `read_derived_id`."""
    derived = read_derived_id(run)
    return None if derived is None else derived.text


SAME_MS = 1000
"""The time of one run may be given in milliseconds here and in seconds there."""


class RunIndex:
    """The runs of a listing.

    A derived id, and the label of a resume, stand for one run. An id that an author gave doesn't: it is free again when
    its run has ended, and may be given to another run then.
    """

    def __init__(self, runs: Iterable[ObservedRun] = ()) -> None:
        in_order = sorted(runs, key=attrgetter("created_at_ms"))
        self._newest = {id_key(run.workflow_run_id): run for run in in_order}
        self._all: dict[str, list[ObservedRun]] = {}  # where several have one id, oldest first
        if len(self._newest) < len(in_order):
            for run in in_order:
                self._all.setdefault(id_key(run.workflow_run_id), []).append(run)
        self._by_label: dict[str, ObservedRun] = {}
        known = set[tuple[str, ...]]()  # mostly all runs carry the same labels
        for run in in_order:
            if run.labels in known:
                continue
            known.add(run.labels)
            for label in run.labels:
                # Of several runs with one label it is the first: the others are resumes of that one, by hand, which
                # take its labels along.
                self._by_label.setdefault(id_key(label), run)

    def recorded(self, workflow_run_id: str, created_at_ms: int | None) -> ObservedRun | None:
        """The run of a record. `created_at_ms`: as it is recorded (None: not known, then it is the newest one)."""
        for run in reversed(self._with_id(workflow_run_id)):
            if created_at_ms is None or abs(run.created_at_ms - created_at_ms) <= SAME_MS:
                return run
            if derived_id(run) in (None, id_key(workflow_run_id)):
                return run
        return None

    def attempted(self, attempt: Attempt, names: Collection[str]) -> ObservedRun | None:
        """The run that an attempt started. `names`: the derived ids that it may have gone out under (more than one for
        an address that was renamed); of a resume, its label."""
        since_ms = (attempt.since_ms or 0) if attempt.explicit_id else 0
        for name in map(id_key, names):
            run = self._newest.get(name) or self._by_label.get(name)
            if run is not None and run.created_at_ms >= since_ms:
                return run
        if not attempt.explicit_id:
            return None
        # Earlier builds sent an author's id without the label that identifies its run.
        for run in self._with_id(attempt.workflow_run_id):
            if derived_id(run) is None and run.created_at_ms >= since_ms:
                return run
        return None

    def _with_id(self, workflow_run_id: str) -> Sequence[ObservedRun]:
        """The runs that have, or had, this id: oldest first."""
        key = id_key(workflow_run_id)
        newest = self._newest.get(key)
        return self._all.get(key) or (() if newest is None else (newest,))
