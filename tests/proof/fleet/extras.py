"""What not every world has: its seed says which of these, and an environment variable may say so instead."""

from __future__ import annotations

from enum import Enum
from random import Random

from tests.proof.fleet import own_ids
from tests.proof.fleet.wire import IN_USE, Trouble


class Extra(Enum):
    """`value`: how it is called in `FLEET_EXTRAS`."""

    ODD_WORDS = "odd-words"
    """Refusals whose texts sound as if the runs were there."""

    RESTORES = "restores"
    """Whole folders are restored, also right after an apply, and also copied while one was under way."""

    STALLS = "stalls"
    """Requests are stuck until they are given up, or until the process dies; the next apply may come at once."""

    SECOND_WRITER = "second-writer"
    """While `apply --wait` waits, somebody applies a newer commit."""

    CLOCK_STEPS = "clock-steps"
    """The client's clock is set, between applies and while one is under way; the next apply may come at once."""

    TABLES = "tables"
    """Groups whose runs are made of data files that people edit, empty and write with other numerals."""

    OWN_IDS = "own-ids"
    """Groups whose runs have workflow run ids of their own, which people swap, give up, hand over and bring back."""

    SHARED = "shared"
    """Several machines share the state: their processes die with the lease or are stopped while they hold it, the log
    loses answers. Not with what happens to files of a state."""

    SHARDS = "shards"
    """Everything is shared out to two shards with a state each, which apply in turn. Not with a second writer."""


SIGNS = {
    Extra.ODD_WORDS: (Trouble.ODDLY_REFUSED.value, Trouble.PARTLY_REFUSED.value),
    Extra.RESTORES: ("a whole folder restored",),
    Extra.STALLS: (Trouble.STUCK.value, Trouble.STUCK_LATE.value, Trouble.CRASH_STUCK.value),
    Extra.CLOCK_STEPS: ("the clock is set", "the clock is set, with an apply under way"),
    Extra.SHARED: (
        "a process died with the lease",
        "a process was stopped while it held the lease",
        "a write to the log arrived late",
        "an answer of the log was lost",
        "a replica was deleted",
    ),
    Extra.SHARDS: ("an apply of shard 1/2", "an apply of shard 2/2"),
    Extra.TABLES: ("all rows gone", "numbers written otherwise"),
    Extra.OWN_IDS: (own_ids.SWAPPED, own_ids.GIVEN_UP, own_ids.HANDED_OVER, own_ids.CAME_BACK, IN_USE),
    Extra.SECOND_WRITER: ("a second writer during --wait",),
}
"""What has happened in a world that had it, as `Wire.happened` counts it."""


def drawn(seed: int) -> frozenset[Extra]:
    """Those of the world with this seed. Shards are rarer: a world that has them has no order and no rollouts."""
    found = {one for one in Extra if Random(f"{seed}/{one.value}").random() < (0.2 if one is Extra.SHARDS else 0.4)}
    if Extra.SHARDS in found:
        found.discard(Extra.SECOND_WRITER)
    if found & {Extra.SHARDS, Extra.RESTORES, Extra.SECOND_WRITER}:
        found.discard(Extra.SHARED)
    return frozenset(found)
