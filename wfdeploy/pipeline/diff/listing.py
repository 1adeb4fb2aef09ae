"""Read the server's listing: which of our runs it knows, and which of them the state does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from wfdeploy.model.address import Address
from wfdeploy.model.remote import ObservedRun, RunState
from wfdeploy.model.state import Attempt, NoteGeneration, Record


@dataclass(frozen=True, slots=True)
class Sighting:
    """A listed run that belongs to an address."""

    address: Address
    fingerprint: str
    generation: int
    run: ObservedRun


@dataclass(slots=True)
class Sightings:
    """What a listing showed. `states`: run state by workflow run id. `unmatched`: runs that belong to no known address.
    `doubled`: ids of ours that more than one run had (which wfdeploy never causes)."""

    sightings: list[Sighting] = field(default_factory=list)
    states: dict[str, RunState] = field(default_factory=dict)
    unmatched: list[ObservedRun] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the state must learn from a listing.

    `adopted`: the newest unknown run of an address, where it is newer than what the state has. `noted`: generations
    of older ones. `found`: the runs of open attempts, by address.
    """

    adopted: dict[Address, Record]
    noted: list[NoteGeneration]
    found: dict[Address, ObservedRun]


def sight(observed: Iterable[ObservedRun], locate: Callable[[str], tuple[Address, str, int] | None]) -> Sightings:
    """Match listed runs. `locate(workflow run id)` gives address, fingerprint and generation, or None."""
    result = Sightings()
    starts: dict[str, set[int]] = {}
    unmatched: dict[str, ObservedRun] = {}
    for run in observed:
        starts.setdefault(run.workflow_run_id, set()).add(run.created_at_ms)
        result.states[run.workflow_run_id] = run.state
        place = locate(run.workflow_run_id)
        if place is None:
            unmatched.setdefault(run.workflow_run_id, run)
        else:
            result.sightings.append(Sighting(*place, run))
    result.unmatched = [unmatched[run_id] for run_id in sorted(unmatched)]
    result.doubled = sorted(run_id for run_id, times in starts.items() if len(times) > 1)
    return result


def adopt(
    sightings: Iterable[Sighting],
    *,
    attempts: Mapping[Address, Attempt],
    highest: Mapping[tuple[str, str], int],
    created_at: Callable[[Address], int | None],
    is_declared: Callable[[Sighting], bool],
    record: Callable[[Sighting], Record],
) -> Adoption:
    """Decide what is new.

    `highest`: known generations by (address, fingerprint), tombstones included: what they cover is never adopted.
    `created_at`: server time of an address's recorded run (None: no record). `is_declared`: whether it is what
    its address declares now. `record`: makes the record of a sighting.
    """

    def order(sighting: Sighting) -> tuple[int, bool, int]:
        # Of two that were created in one tick of the server's clock, the one that is declared is the later one: it
        # was triggered by whoever saw the newer manifest.
        return sighting.run.created_at_ms, is_declared(sighting), sighting.generation

    newest: dict[Address, Sighting] = {}
    noted: list[NoteGeneration] = []
    found: dict[Address, ObservedRun] = {}
    for sighting in sightings:
        address = sighting.address
        attempt = attempts.get(address)
        if attempt is not None and attempt.is_open and _of(attempt) == (sighting.fingerprint, sighting.generation):
            found[address] = sighting.run
            continue
        if sighting.generation <= highest.get((address, sighting.fingerprint), 0):
            continue
        other = newest.get(address)
        if other is None or order(sighting) > order(other):
            newest[address], sighting = sighting, other  # type: ignore[assignment]  # noqa: PLW2901
        if sighting is not None:
            noted.append(NoteGeneration(address, sighting.fingerprint, sighting.generation))
    adopted: dict[Address, Record] = {}
    for address, sighting in newest.items():
        known = created_at(address)
        if known is None or (sighting.run.created_at_ms, is_declared(sighting)) > (known, False):
            adopted[address] = record(sighting)
        else:
            noted.append(NoteGeneration(address, sighting.fingerprint, sighting.generation))
    return Adoption(adopted, noted, found)


def _of(attempt: Attempt) -> tuple[str, int]:
    return attempt.fingerprint, attempt.generation
