"""Workflow run ids as they are read: which are derived, and what these say. `identify/run_ids.py` makes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.observed import ObservedRun

PREFIX = "wfr_"

_AT = re.compile(r"(?:.*-)?([0-9]{4}-[0-9]{2}-[0-9]{2})t([0-9]{2})-([0-9]{2})-([0-9]{2})z")
_DIGEST = 26  # characters, as of `identify/digest.py`
_END = re.compile(rf"([a-z2-7]{{{_DIGEST}}})-g([1-9][0-9]*)-f([0-9]+)([a-z2-7]{{{_DIGEST}}})")


@dataclass(frozen=True, slots=True)
class RunIdParts:
    """What a derived id tells: the digest of its place, its generation and its fingerprint. `at`: the time that it
    seems to be an instance of, as in addresses."""

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
    """What of an id is compared: the id with its prefix once. Servers and SDKs put `wfr_` before ids that have it
    already, and before those that don't."""
    while text.startswith(PREFIX):
        text = text[len(PREFIX) :]
    return PREFIX + text


def own_id(text: str) -> str | None:
    """An id that its author gave, or the server to a resumed run; None for a derived one."""
    return text if parse_run_id(text) is None else None


def derived_id(run: ObservedRun) -> str | None:
    """The derived id of a listed run: its id, or the label that says it where its author gave it another id. None for a
    run that has neither."""
    for text in (run.workflow_run_id, *run.labels):
        if parse_run_id(text) is not None:
            return id_key(text)
    return None
