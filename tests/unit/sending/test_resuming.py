"""Resumes: one request for each failed run, each answer turned into what the state must hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelRun, ModelServer
from tests.support.sessions import session
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.address import Address
from wfdeploy.model.edits import DropAttempt, Edit, Observe, PutAttempt, PutRecord
from wfdeploy.model.event import Outcome
from wfdeploy.model.observed import RunState
from wfdeploy.model.remote import DeadLetter, Item
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.ports import StateWriter
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.resuming import Resumer, own_labels
from wfdeploy.sending.session import Session


@dataclass
class Notes(StateWriter):
    """Every edit, in order."""

    edits: list[Edit] = field(default_factory=list)

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        self.edits += edits

    def finish(self) -> int:
        return 0


class Scene:
    """One run that failed, and what is done to resume it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = ModelServer(self.clock, lag_s=0.0)
        self.notes = Notes()
        now_ms = self.clock.now_ms()
        failed = ModelRun("wfr_a", "ours", now_ms - 9000, now_ms - 9000, now_ms - 8000, 0, labels=("ours",))
        failed.fails, failed.letter = True, "1-0"
        self.server.runs.append(failed)
        attempt = Attempt(Address("g/a"), "1:a", 1, "wfdeploy-attempt-1", 0, request='{"labels":["mine"]}')
        self.request = OutgoingRequest(
            Item(attempt.workflow_run_id, b""), attempt._replace(dlq_id="1-0", triggered_id="wfr_a")
        )

    def run(self, *, budget_s: float = 60.0) -> Session:
        around = session(self.server, self.clock, store=self.notes, budget_s=budget_s)
        asyncio.run(Resumer(around).run([self.request]))
        return around

    @property
    def kinds(self) -> list[type]:
        return [type(edit) for edit in self.notes.edits]


def test_a_resumed_run_becomes_the_record_under_the_id_that_the_server_chose() -> None:
    scene = Scene()
    around = scene.run()
    assert [(one.outcome, one.workflow_run_id) for one in around.outcomes.results] == [
        (Outcome.RESUMED, "wfr_resumed_1")
    ]
    assert scene.kinds == [PutAttempt, DropAttempt, PutRecord], "an intent first"
    assert scene.server.runs[-1].labels == ("ours", "wfdeploy-attempt-1", "mine")


def test_a_run_whose_dead_letter_is_gone_is_left_alone() -> None:
    scene = Scene()
    scene.server.runs[0].letter = None
    around = scene.run()
    assert [(one.outcome, one.workflow_run_id) for one in around.outcomes.results] == [(Outcome.KEPT, "wfr_a")]
    observed = scene.notes.edits[-1]
    assert isinstance(observed, Observe)
    assert (observed.run_state, observed.handled) == (RunState.FAILED, True)


def test_a_404_alone_does_not_prove_that_a_dead_letter_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.server.runs[0].letter = None

    def broken(**_: object) -> AsyncIterator[Sequence[DeadLetter]]:
        raise RemoteFailure("not now")

    monkeypatch.setattr(scene.server, "list_dead_letters", broken)
    around = scene.run()
    assert [one.outcome for one in around.outcomes.results] == [Outcome.REJECTED]


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
def test_a_lost_answer_stays_open(fault: Fault) -> None:
    scene = Scene()
    scene.server.faults = [fault]
    around = scene.run()
    assert around.outcomes.lost == [scene.request]
    assert scene.request.attempt.status is AttemptStatus.UNKNOWN
    assert not list(around.outcomes.results)
    assert len(scene.server.runs) == (2 if fault is Fault.LOST_AFTER else 1), "sent once"


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.NOT_SENT])
def test_a_pause_and_a_refused_connection_are_waited_out(fault: Fault) -> None:
    scene = Scene()
    scene.server.faults = [fault, fault]
    around = scene.run()
    assert [one.outcome for one in around.outcomes.results] == [Outcome.RESUMED]
    assert around.outcomes.halt is None


@pytest.mark.parametrize("fault", [Fault.UNAUTHORISED, Fault.THROTTLED])
def test_what_was_not_resumed_leaves_no_attempt(fault: Fault) -> None:
    scene = Scene()
    scene.server.faults = [fault]
    around = scene.run(budget_s=0.0)
    assert around.outcomes.halt is not None
    assert scene.kinds == [PutAttempt, DropAttempt]


def test_a_refusal_is_about_the_run() -> None:
    scene = Scene()
    scene.server.faults = [Fault.REFUSED]
    around = scene.run()
    assert [(one.outcome, one.error) for one in around.outcomes.results] == [(Outcome.REJECTED, "bad request")]
    assert scene.request.attempt.status is AttemptStatus.REJECTED
    assert around.outcomes.halt is None


def test_labels_with_a_secret_are_not_sent_again() -> None:
    assert own_labels("") == []
    assert own_labels('{"labels":["a","${{ secrets.B }}"]}') == ["a"]
