"""Whether a store keeps what a shared log depends on. Some accept a condition, and ignore it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from wfdeploy.errors import StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Stored, WriteAnswer, WriteOutcome


def probe(
    name: str,
    *,
    create: Callable[[bytes], WriteAnswer],
    swap: Callable[[bytes, str], WriteAnswer],
    read: Callable[[], Stored | None],
    at_once: int = 16,
) -> None:
    """Try it on one object that isn't there yet. Raises: `StateUnusable`; `StateUnreachable` where it stays open."""
    started = threading.Barrier(at_once)

    def one(number: int) -> WriteAnswer:
        started.wait(10)
        return create(b"%d" % number)

    with ThreadPoolExecutor(at_once) as threads:
        answers = list(threads.map(one, range(at_once)))
    winners = [number for number, answer in enumerate(answers) if answer.outcome is WriteOutcome.WRITTEN]
    if len(winners) > 1:
        raise _refused(name, f"{len(winners)} of {at_once} writers were told that they had created the same object")
    for answer in answers:
        require_decided(name, answer)  # an undecided one may be the winner
    found = read()
    if found is None or not winners:
        raise _refused(name, "an object that one writer had created is not there")
    if found.content != b"%d" % winners[0]:
        raise _refused(name, "an object that one writer had created holds what another one wrote")
    first = swap(b"second", found.version)
    require_decided(name, first)
    if first.outcome is not WriteOutcome.WRITTEN:
        raise _refused(name, "an object could not be replaced under its own version")
    if swap(b"third", found.version).outcome is WriteOutcome.WRITTEN:
        raise _refused(name, "an object was replaced under a version that it no longer had")


def require_decided(name: str, answer: WriteAnswer) -> None:
    """Raises: `StateUnreachable` for a write that may have landed or not."""
    if answer.outcome is WriteOutcome.UNDECIDED:
        raise StateUnreachable(f"the shared state {name} gave no clear answer: {answer.reason}", hint="try again")


def _refused(name: str, why: str) -> StateUnusable:
    return StateUnusable(
        f"the store of {name} can't keep a shared state: {why}",
        hint="a shared state needs atomic conditional writes: use a newer version of the server, or another one",
    )
