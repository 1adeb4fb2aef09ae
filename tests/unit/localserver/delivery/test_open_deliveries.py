"""From inside which delivery a step was submitted."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from wfdeploy.localserver.delivery.open_deliveries import OpenDeliveries
from wfdeploy.localserver.store.records import DeliverySettings, Message, MessageKind


def message(seq: int, kind: MessageKind = MessageKind.STEP, step_key: str | None = None) -> Message:
    return Message(
        seq=seq,
        tenant="t",
        run_seq=1,
        message_id=f"msg_{seq}",
        kind=kind,
        state="pending",
        url="http://127.0.0.1:9/wf",
        body=b"{}",
        settings=DeliverySettings(),
        step_key=step_key,
        event_id=None,
        flow_key=None,
        created_at=0,
        due_at=0,
        done_at=None,
        retried=0,
        errors=[],
    )


INIT = message(1, MessageKind.INIT)
PLANS = (message(2, step_key="plan:1"), message(3, step_key="plan:2"))


def submitting(*open_: Message, step_key: str | None = "result:2", message_id: str | None = None) -> int | None:
    deliveries = OpenDeliveries()
    with ExitStack() as stack:
        for one in open_:
            stack.enter_context(deliveries.opened(one))
        return deliveries.submitting(1, step_key=step_key, message_id=message_id)


def test_the_only_delivery_that_is_open_is_the_one() -> None:
    assert submitting(INIT) == 1
    assert submitting(PLANS[0]) == 2, "whatever the step is called"
    assert submitting() is None


def test_of_several_it_is_the_plan_of_the_step() -> None:
    assert submitting(*PLANS, step_key="result:1") == 2
    assert submitting(*PLANS, step_key="result:2") == 3
    assert submitting(*PLANS, step_key="result:3") is None
    assert submitting(*PLANS, step_key=None) is None


def test_the_one_that_the_sdk_names_is_believed() -> None:
    assert submitting(*PLANS, step_key="result:1", message_id="msg_3") == 3
    assert submitting(INIT, message_id="msg_9") is None, "it is answered already"


def test_an_answered_delivery_is_open_no_more_also_when_it_broke() -> None:
    deliveries = OpenDeliveries()
    with pytest.raises(ConnectionError), deliveries.opened(INIT):
        raise ConnectionError
    with deliveries.opened(PLANS[1]):
        assert deliveries.submitting(1, step_key=None, message_id=None) == 3
    assert deliveries.submitting(1, step_key=None, message_id=None) is None
    assert deliveries.submitting(2, step_key=None, message_id=None) is None


@pytest.mark.parametrize("kind", [MessageKind.CALL, MessageKind.FAILURE, MessageKind.WAIT])
def test_nothing_is_submitted_from_inside_other_deliveries(kind: MessageKind) -> None:
    assert submitting(message(4, kind)) is None
