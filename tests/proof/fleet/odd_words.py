"""Refusals that sound as if the refused runs were there, though none of them was ever started."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

_TEXTS = (
    "run limit reached: 100 runs are currently active",
    "a schedule of that name already exists; delete it or run it by hand",
    "this account is already in use by another run",
    "the workflow run {other} is already running",
    "a run with the id {longer} already exists",
    "cannot start {ids}: 100 runs are currently active",
    "{ids} would be too many: 12 runs are already in progress. Try again when a run has ended",
    "too many runs: {id} was refused while 40 others are already running",
    "flow control key {id}: in use by a run that is already active",
)


def odd_words(ids: Sequence[str], chance: Random) -> str:
    """A text about the runs with these ids."""
    return chance.choice(_TEXTS).format(
        id=ids[0],
        ids=", ".join(ids),
        longer=chance.choice((f"{ids[0]}-2", f"{ids[0]}.1", f"wfr_x{ids[0]}")),
        other=chance.choice(("wfr_nightly-report", "wfr_load-0-of-another-account")),
    )


def odd_item(run_id: str, chance: Random) -> dict[str, Any]:
    """The place of a refused run in an answer whose other runs were taken."""
    item: dict[str, Any] = {"error": odd_words([run_id], chance)}
    status = chance.choice((None, None, 400, 409, 412, 429))
    if status is not None:
        item["status"] = status
    return item
