"""What the observations of a probe say of each assumption of docs/guarantees.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wfdeploy.errors import several
from wfdeploy.model.checks import Assumption, Truth
from wfdeploy.model.observed import RunState
from wfdeploy.model.remote import Cancelled, NotCancelled, Taken
from wfdeploy.model.workflow_id import id_key

if TYPE_CHECKING:
    from wfdeploy.model.observed import ObservedRun
    from wfdeploy.model.remote import CancelReply, ItemReply

CLOCK_TOLERANCE_MS = 2000
"""How far the times of the logs may be from `Date` and still count as the same clock: both are cut and rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRun:
    """A run that the server has accepted from the probe. Moments are seconds of the monotonic clock."""

    workflow_run_id: str

    is_delayed: bool

    sent_at: float
    """Before the first byte of its request."""

    answered_at: float

    created_within_ms: tuple[int, int] | None
    """Between which server times it was accepted (Unix ms); None where the server tells no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How the place of a state, or the logs, kept something. `detail`: what was seen."""

    truth: Truth

    detail: str


@dataclass(slots=True, kw_only=True)
class Observations:
    """What was seen, filled in as the probe goes on."""

    label: str
    """Carried by every run of the probe but one."""

    log_lag_s: float
    """As the project relies on it."""

    retention: Kept

    storage: Kept

    runs: dict[str, ProbeRun] = field(default_factory=dict)
    """By key of their id; those that carry `label`."""

    elsewhere: ProbeRun | None = None
    """The run that carries another label."""

    refusal: str = ""
    """The server's words for the run that it had to refuse; empty when it refused none."""

    refused: set[str] = field(default_factory=set)
    """Keys of the ids of runs that were refused, alone or with their batch."""

    in_order: bool | None = None
    """Whether the answer had its runs in the order of the request; None where no such answer came."""

    again: str = ""
    """The key of the id that was triggered a second time while in use."""

    again_reply: ItemReply | None = None

    shown_after_s: dict[str, float] = field(default_factory=dict)
    """By key: the time from sending a run until a listing had shown it."""

    absent_for_s: dict[str, float] = field(default_factory=dict)
    """By key: how long after its answer a run was still missing from a listing."""

    listed: Sequence[ObservedRun] = ()
    """All runs of the last listing by `label`."""

    cancel_reply: CancelReply | None = None

    after_cancel: Mapping[str, RunState] = field(default_factory=dict)
    """By key of the runs of the probe that were listed after they were cancelled."""

    @property
    def accepted(self) -> Mapping[str, ProbeRun]:
        """All runs of the probe, by key of their id."""
        elsewhere = self.elsewhere
        return self.runs if elsewhere is None else {**self.runs, id_key(elsewhere.workflow_run_id): elsewhere}

    @property
    def log_lag_seen_s(self) -> float | None:
        """The longest time until a run was shown; None when none was."""
        return max(self.shown_after_s.values(), default=None)

    def shown(self, *, delayed: bool) -> tuple[list[str], list[str]]:
        """The runs that were shown, and those that weren't."""
        keys = [key for key, run in self.runs.items() if run.is_delayed is delayed]
        return [key for key in keys if key in self.shown_after_s], [
            key for key in keys if key not in self.shown_after_s
        ]


def judge(seen: Observations) -> tuple[Assumption, ...]:
    """Say of each assumption whether it holds, in the order of their numbers."""
    return tuple(_judge(seen))


def _judge(seen: Observations) -> Iterator[Assumption]:
    def about(number: int | None, name: str, statement: str, verdict: tuple[Truth, str]) -> Assumption:
        truth, evidence = verdict
        return Assumption(name=name, number=number, statement=statement, truth=truth, evidence=evidence)

    yield about(1, "log-lag", "server.logLag bounds how late a run shows in the logs", _log_lag(seen))
    yield about(2, "refusals", "a refusal means that nothing was started", _refusals(seen))
    retention, storage = seen.retention, seen.storage
    yield about(3, "retention", "the logs reach back server.logRetention", (retention.truth, retention.detail))
    yield about(4, "delayed", "the logs show a delayed run from its acceptance", _delayed(seen))
    yield about(5, "reserved", "a run id in use is reserved: a second trigger starts nothing", _reserved(seen))
    yield about(6, "writers", "the state has one writer", (storage.truth, storage.detail))
    yield about(7, "clocks", "the logs are dated by the clock of Date", _clocks(seen))
    yield about(7, "disk", "the disk keeps what it confirmed", (Truth.UNKNOWN, "only a power loss would show it"))
    yield about(8, "labels", "the logs show the labels of a run", _labels(seen))
    yield about(None, "filter", "the server filters listings by label", _filter(seen))
    yield about(None, "order", "ids come back in the order of the request", _order(seen))
    yield about(None, "cancel", "a cancel ends a run", _cancel(seen))


def _log_lag(seen: Observations) -> tuple[Truth, str]:
    (prompt, hidden), (delayed, hidden_delayed) = seen.shown(delayed=False), seen.shown(delayed=True)
    shown = prompt + delayed
    longest = seen.log_lag_seen_s
    if hidden:
        absent = max(seen.absent_for_s.get(key, 0.0) for key in hidden)
        return Truth.FAILS, f"a run that began at once was not listed within {absent:.1f} s"
    if longest is None:
        absent = max((seen.absent_for_s.get(key, 0.0) for key in hidden_delayed), default=0.0)
        return (
            Truth.UNKNOWN,
            f"no run was listed within {absent:.1f} s, and all are delayed: with --destination one begins at once",
        )
    late = max((seen.absent_for_s.get(key, 0.0) for key in shown), default=0.0)
    text = f"{several(len(shown))} listed within {longest:.1f} s; the project relies on {seen.log_lag_s:g} s"
    if late > seen.log_lag_s:
        return Truth.FAILS, text
    return Truth.HOLDS, f"{text} (one sample: a busy server may be slower)"


def _refusals(seen: Observations) -> tuple[Truth, str]:
    if not seen.refusal:
        return Truth.UNKNOWN, "the server accepted, or didn't answer clearly, what was to be refused"
    started = [run for run in seen.listed if id_key(run.workflow_run_id) in seen.refused]
    if started:
        return Truth.FAILS, f"the logs show {several(len(started), 'refused run')}; the refusal was: {seen.refusal}"
    if not seen.shown_after_s:
        return Truth.UNKNOWN, "no run was listed at all"
    return Truth.HOLDS, f"refused ({seen.refusal}), and not listed while later runs are"


def _delayed(seen: Observations) -> tuple[Truth, str]:
    shown, hidden = seen.shown(delayed=True)
    if not shown and not hidden:
        return Truth.UNKNOWN, "no delayed run was accepted"
    if not hidden:
        return Truth.HOLDS, f"{several(len(shown), 'run')} with a delay of an hour listed at once"
    prompt, _ = seen.shown(delayed=False)
    if not shown and not prompt:
        return Truth.UNKNOWN, "no run was listed at all"
    return (
        Truth.FAILS,
        f"{len(hidden)} of {several(len(shown) + len(hidden), 'delayed run')} not listed: keep the state, the logs "
        "can't replace it while such runs are queued",
    )


def _reserved(seen: Observations) -> tuple[Truth, str]:
    counts = Counter(id_key(run.workflow_run_id) for run in seen.listed)
    twice = [key for key in seen.runs if counts[key] > 1]
    if twice:
        return Truth.FAILS, f"the logs show {several(counts[twice[0]])} under the id {twice[0]}"
    reply = seen.again_reply
    if reply is None:
        return Truth.UNKNOWN, "a second trigger got no clear answer"
    if isinstance(reply, Taken) and not reply.deduplicated:
        return Truth.FAILS, "the server says that it started a second run under an id in use"
    how = "deduplicated" if isinstance(reply, Taken) else "refused"
    if not counts[seen.again]:
        return Truth.UNKNOWN, f"a second trigger was {how}, but the logs show no run of that id"
    return Truth.HOLDS, f"a second trigger of a queued run was {how}, and the logs show one run"


def _clocks(seen: Observations) -> tuple[Truth, str]:
    off: list[float] = []
    for run in seen.listed:
        ours = seen.runs.get(id_key(run.workflow_run_id))
        if ours is not None and ours.created_within_ms is not None:
            low, high = ours.created_within_ms
            off.append(max(low - run.created_at_ms, run.created_at_ms - high, 0))
    if not off:
        return Truth.UNKNOWN, "no run was listed, or the answers have no Date"
    if max(off) > CLOCK_TOLERANCE_MS:
        return Truth.FAILS, f"the logs date a run {max(off) / 1000:,.0f} s off the time of its request by Date"
    return Truth.HOLDS, f"{several(len(off))} dated as requested, to {CLOCK_TOLERANCE_MS / 1000:g} s"


def _labels(seen: Observations) -> tuple[Truth, str]:
    ours = [run for run in seen.listed if id_key(run.workflow_run_id) in seen.runs]
    if not ours:
        return Truth.UNKNOWN, "no run was listed"
    without = [run for run in ours if seen.label not in run.labels]
    if without:
        return Truth.FAILS, f"{len(without)} of {several(len(ours), 'listed run')} lack the label that they were given"
    return Truth.HOLDS, f"{several(len(ours))} listed with the label that they were given"


def _filter(seen: Observations) -> tuple[Truth, str]:
    if not seen.listed or seen.elsewhere is None:
        return Truth.UNKNOWN, "no run was listed" if not seen.listed else "no run with another label was accepted"
    elsewhere = id_key(seen.elsewhere.workflow_run_id)
    others = [run for run in seen.listed if id_key(run.workflow_run_id) == elsewhere]
    others += [run for run in seen.listed if run.labels and seen.label not in run.labels and run not in others]
    if others:
        return Truth.FAILS, f"a listing by label also shows {several(len(others))} without it: listings take longer"
    return Truth.HOLDS, "a listing by one label doesn't show a run with another"


def _order(seen: Observations) -> tuple[Truth, str]:
    if seen.in_order is None:
        return Truth.UNKNOWN, "no answer had several runs"
    if seen.in_order:
        return Truth.HOLDS, "as sent"
    return Truth.FAILS, "in another order: an error without an id can't be told whose it is, and is looked up"


def _cancel(seen: Observations) -> tuple[Truth, str]:
    match seen.cancel_reply:
        case NotCancelled(message):
            return Truth.FAILS, message
        case Cancelled():
            going = still_going(seen.after_cancel)
            if going:
                return Truth.FAILS, f"{several(len(going))} still running or queued after a cancel that was confirmed"
            ended = [state for key, state in seen.after_cancel.items() if seen.accepted[key].is_delayed]
            if RunState.CANCELED in ended:
                return Truth.HOLDS, f"{several(ended.count(RunState.CANCELED), 'queued run')} cancelled"
            return Truth.UNKNOWN, "confirmed, but no cancelled run was listed"
        case _:
            return Truth.UNKNOWN, "nothing had to be cancelled"


def still_going(states: Mapping[str, RunState]) -> list[str]:
    """The keys of runs that were last seen running or queued."""
    return [key for key, state in states.items() if state.may_run]
