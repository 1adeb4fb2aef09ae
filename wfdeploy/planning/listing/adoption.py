"""Which of our runs a listing shows, and which of them the state lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from wfdeploy.model.address import Address
from wfdeploy.model.edits import PutTombstone
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.state import Attempt, Record
from wfdeploy.model.workflow_id import SAME_MS, DerivedId, own_id


@dataclass(frozen=True, slots=True)
class Match:
    """A listed run that belongs to an address."""

    address: Address
    fingerprint: str
    generation: int
    run: ObservedRun
    tries: int = 0  # which try of the run a resume is; 0 for a trigger


RunPlace: TypeAlias = tuple[Address, str, int, int]
"""Address, fingerprint, generation, tries."""


@dataclass(slots=True)
class Matches:
    """Listed runs, matched with addresses."""

    matched: list[Match] = field(default_factory=list)
    unmatched: list[ObservedRun] = field(default_factory=list)  # runs that belong to no known address
    doubled: list[str] = field(default_factory=list)  # ids of ours that several runs have; wfdeploy never causes that

    def drop_former(self, past_runs: Callable[[Collection[str]], Collection[tuple[str, int | None]]]) -> None:
        """Drop the unmatched runs that an address had before. `past_runs`: see `RecordReader`."""
        strangers = {run.workflow_run_id for run in self.unmatched if own_id(run.workflow_run_id) is not None}
        former: dict[str, list[int | None]] = {}
        for run_id, created_at_ms in past_runs(strangers):
            former.setdefault(run_id, []).append(created_at_ms)

        def is_former(run: ObservedRun) -> bool:
            # An author's id may have been given to another run since, which the state lacks.
            times = former.get(run.workflow_run_id, ())
            return any(at_ms is None or abs(run.created_at_ms - at_ms) <= SAME_MS for at_ms in times)

        if former:
            self.unmatched = [run for run in self.unmatched if not is_former(run)]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the state must learn from a listing."""

    adopted: dict[Address, Record]  # the newest unknown run of an address, where it is newer than what the state has
    noted: list[PutTombstone]  # the generations of older ones


def match_runs(
    observed: Iterable[tuple[ObservedRun, DerivedId | None]],
    locate: Callable[[ObservedRun, DerivedId | None], RunPlace | None],
) -> Matches:
    """Match listed runs, each with its derived id. `locate`: the place of a run, or None."""
    result = Matches()
    starts: dict[tuple[str, str | None], set[int]] = {}
    unmatched: dict[tuple[str, str | None], ObservedRun] = {}
    for run, derived in observed:
        # An author's id may have been given to one run after the other; the derived id that goes with it says to which.
        key = run.workflow_run_id, None if derived is None else derived.text
        starts.setdefault(key, set()).add(run.created_at_ms)
        place = locate(run, derived)
        if place is None:
            unmatched.setdefault(key, run)
        else:
            address, fingerprint, generation, tries = place
            result.matched.append(Match(address, fingerprint, generation, run, tries))
    result.unmatched = sorted(unmatched.values(), key=lambda run: run.workflow_run_id)
    result.doubled = sorted({run_id for (run_id, _), times in starts.items() if len(times) > 1})
    return result


def adopt(
    matches: Iterable[Match],
    *,
    attempts: Mapping[Address, Attempt],
    highest: Mapping[tuple[str, str], int],
    recorded: Mapping[Address, Record],
    is_declared: Callable[[Match], bool],
    record: Callable[[Match], Record],
) -> Adoption:
    """Decide which matched runs are new.

    highest: known generations by (address, fingerprint), tombstones included. What they cover is never adopted.
    recorded: the records of these addresses.
    is_declared: whether a match is what its address declares now.
    record: makes the record of a match.
    """

    def order(match: Match) -> tuple[int, bool, int]:
        # Of two runs from one tick of the server's clock, the declared one is later: whoever triggered it had the
        # newer manifest.
        return match.run.created_at_ms, is_declared(match), match.generation

    newest: dict[Address, Match] = {}
    noted: list[PutTombstone] = []
    for match in matches:
        address = match.address
        attempt = attempts.get(address)
        if attempt is not None and attempt.is_open and _of(attempt) == _is(match):
            continue
        if match.generation <= highest.get((address, match.fingerprint), 0) and not _follows(
            match, recorded.get(address)
        ):
            continue
        other = newest.get(address)
        if other is None or order(match) > order(other):
            newest[address], match = match, other  # type: ignore[assignment]  # noqa: PLW2901
        if match is not None:
            noted.append(PutTombstone(address, match.fingerprint, match.generation))
    adopted: dict[Address, Record] = {}
    for address, match in newest.items():
        known = recorded.get(address)
        if known is None or (match.run.created_at_ms, is_declared(match)) > (_began(known), False):
            adopted[address] = record(match)
        else:
            noted.append(PutTombstone(address, match.fingerprint, match.generation))
    return Adoption(adopted, noted)


def _of(attempt: Attempt) -> tuple[str, int, int]:
    return attempt.fingerprint, attempt.generation, attempt.tries if attempt.is_resume else 0


def _is(match: Match) -> tuple[str, int, int]:
    return match.fingerprint, match.generation, match.tries


def _follows(match: Match, known: Record | None) -> bool:
    """Whether a match is the recorded run, resumed since."""
    return (
        known is not None
        and (match.fingerprint, match.generation) == (known.fingerprint, known.generation)
        and match.tries > known.tries
    )


def _began(record: Record) -> int:
    return record.created_at_ms or record.recorded_at_ms
