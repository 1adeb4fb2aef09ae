"""What the diff needs to know beside the two streams that it compares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from wfdeploy.model.address import Address
from wfdeploy.model.plan import FieldChange, NameRun, Wish
from wfdeploy.model.remote import ObservedRun, RunState
from wfdeploy.model.run import DesiredRun, OnRemove
from wfdeploy.model.state import Attempt, Record, RecordKey, Standing


class Finding(Enum):
    """What the logs say about an attempt whose outcome is open."""

    NOT_LOOKED_UP = "not looked up"
    FOUND = "found"
    ABSENT = "absent"  # never accepted
    ABSENT_OR_DELAYED = "absent or delayed"  # not shown; if it was accepted, its id is still reserved
    TOO_OLD = "too old"  # older than what the logs remember


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, with the run where there is one. `send_before_ms`: until when it may be sent again (server
    time, Unix ms; None: always)."""

    finding: Finding
    run: ObservedRun | None = None
    send_before_ms: int | None = None


NOT_LOOKED_UP = Verdict(Finding.NOT_LOOKED_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """How identities are made; given by the caller, since stages never import one another."""

    run_id: NameRun
    # All that a run has, or had while numbers were written otherwise, under the version of that text; none where that
    # version isn't known.
    fingerprints_under: Callable[[DesiredRun, str], Sequence[str]]
    changes: Callable[[DesiredRun, str], tuple[FieldChange, ...]]  # since its request was recorded as this JSON text
    attempt_label: Callable[[str, str, int, int], str]  # address, fingerprint, generation, tries


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffContext:
    """Everything but the desired runs and the record keys.

    `attempts` by address. `verdicts` by address of an open attempt. `adopted`: records that the server's listing
    gave and the state lacks, by address (they stand before the state's own). `renames`: former address -> new one,
    for the addresses that the state still has under the former. `highest(address, fingerprint)`: highest known
    generation, 0 for none. `records(address)`: the full record. `fetch(addresses)`: `highest` and `records` are about
    to be asked about these. `on_remove`: policy by group, the manifest's where
    it was loaded, else the state's. `is_gone(address)`: whether a recorded run that isn't declared was removed;
    `is_undeclared(address)`: whether nobody declares it, also where that is no reason to cancel or forget (in a shard).
    `emptied_generator(address)`: the generator that made a run, where it is declared and makes no runs any more.
    `standings`: of the recorded runs that failed, were cancelled or are missing, by address. `live_states`: how
    recorded runs do as the server told just now, by address. `dlq_retention_s`: how long a failed run can be resumed.
    `is_taken_over(key)`: whether another run has the workflow run id of this record now, which the server gives away
    only when the recorded run has ended. `wish`: what is wanted instead of everything else. `replaces_running`: what is
    triggered again takes no account of a predecessor that may still run. `recurring`: groups whose past instances stay
    as they are, but for those `expired`, which need no record any more; they are named only where `names_past`.
    """

    identities: Identities
    now_ms: int
    highest: Callable[[str, str], int]
    records: Callable[[str], Record | None]
    fetch: Callable[[Collection[Address]], None] = lambda _: None
    attempts: Mapping[Address, Attempt] = field(default_factory=dict)
    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)
    adopted: Mapping[Address, Record] = field(default_factory=dict)
    renames: Mapping[Address, Address] = field(default_factory=dict)
    on_remove: Mapping[str, OnRemove] = field(default_factory=dict)
    is_gone: Callable[[Address], bool] = lambda _: False
    is_undeclared: Callable[[Address], bool] = lambda _: False
    emptied_generator: Callable[[Address], str | None] = lambda _: None
    standings: Mapping[Address, Standing] = field(default_factory=dict)
    live_states: Mapping[Address, RunState] = field(default_factory=dict)
    dlq_retention_s: float = 3 * 86400.0
    is_taken_over: Callable[[RecordKey], bool] = lambda _: False
    wish: Wish | None = None
    recurring: Collection[str] = ()
    expired: Collection[Address] = ()
    names_past: bool = False
    replace: frozenset[str] = frozenset()
    replaces_running: bool = False
    prune: bool = False
    former: Mapping[Address, Address] = field(init=False)  # `renames` the other way round

    def __post_init__(self) -> None:
        object.__setattr__(self, "former", {to: origin for origin, to in self.renames.items()})
