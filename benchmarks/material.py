"""What sending alone starts from: runs that need no manifest, and a state that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wfdeploy.model.address import Address
from wfdeploy.model.edits import Edit
from wfdeploy.model.remote import Item
from wfdeploy.model.request import Body, BodyKind, Delivery, FlowControl, Request, Template
from wfdeploy.model.state import Attempt
from wfdeploy.ports import StateWriter
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.upstash.wire import ItemEncoder

LABEL = "wfdeploy.benchmark.default"
_TEMPLATE = Template(
    destination="https://app.example.com/api/workflow/onboard",
    content_type="application/json",
    headers={"X-Team": "growth"},
    delivery=Delivery(
        retries=5,
        retry_delay="pow(2, retried) * 1000",
        labels=("onboarding",),
        flow_control=FlowControl(key="onboard", parallelism=10, rate=100, period_s=60),
    ),
)
_PLANS = ("free", "team", "business", "enterprise")

Run = tuple[str, Mapping[str, Any]]
"""A workflow run id, and the value of the body."""


def runs(count: int) -> list[Run]:
    """What the corpus declares."""
    return [
        (
            f"wfr_wave-000-tenant-{n:07}-abcdefghijklmnopqrstuvwxyz-g1-f1abcdefghijklmnopqrstuvwxyz",
            {
                "tenant": f"tenant-{n:07}",
                "seats": 1 + n % 500,
                "plan": _PLANS[n % 4],
                "features": ["sso", "audit"],
            },
        )
        for n in range(count)
    ]


def items(made: Sequence[Run]) -> Iterator[Item]:
    """Each encoded when it is requested, from its body's value on."""
    encoder = ItemEncoder(label=LABEL, secrets={})
    for run_id, value in made:
        yield encoder.encode(Request(_TEMPLATE, Body(BodyKind.JSON, value)), run_id)


def requests(made: Sequence[Run]) -> Iterator[OutgoingRequest]:
    """What a sender takes, each when it is requested. All of it is on the clock: the body's canonical form, the item,
    the attempt."""
    for item in items(made):
        attempt = Attempt(
            address=Address(f"benchmark/{item.workflow_run_id}"),
            fingerprint="1:abcdefghijklmnopqrstuvwxyz",
            generation=1,
            workflow_run_id=item.workflow_run_id,
            intent_at_ms=0,
        )
        yield OutgoingRequest(item, attempt)


class NullStore(StateWriter):
    """A state that forgets at once."""

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        pass

    def finish(self) -> int:
        return 0
