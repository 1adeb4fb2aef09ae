"""What sending alone starts from: runs that need no manifest, and a state that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wfdeploy.model.address import Address
from wfdeploy.model.edits import Edit
from wfdeploy.model.remote import Item
from wfdeploy.model.request import Body, BodyKind, Delivery, FlowControl, Request
from wfdeploy.model.state import Attempt
from wfdeploy.pipeline.apply.shipment import Shipment
from wfdeploy.upstash.wire import ItemEncoder

LABEL = "wfdeploy.benchmark.default"
_DELIVERY = Delivery(
    retries=5,
    retry_delay="pow(2, retried) * 1000",
    labels=("onboarding",),
    flow_control=FlowControl(key="onboard", parallelism=10, rate=100, period_s=60),
)
_HEADERS = {"X-Team": "growth"}
_PLANS = ("free", "team", "business", "enterprise")


def requests(count: int) -> list[tuple[str, Request]]:
    """Workflow run ids and requests, as the corpus declares them."""
    return [
        (
            f"wfr_wave-000-tenant-{n:07}-abcdefghijklmnopqrstuvwxyz-g1-f1abcdefghijklmnopqrstuvwxyz",
            Request(
                destination="https://app.example.com/api/workflow/onboard",
                content_type="application/json",
                headers=_HEADERS,
                body=Body(
                    BodyKind.JSON,
                    {
                        "tenant": f"tenant-{n:07}",
                        "seats": 1 + n % 500,
                        "plan": _PLANS[n % 4],
                        "features": ["sso", "audit"],
                    },
                    is_even=True,  # as the loader says of nearly every document
                ),
                delivery=_DELIVERY,
            ),
        )
        for n in range(count)
    ]


def items(made: Sequence[tuple[str, Request]]) -> Iterator[Item]:
    """Each encoded when it is asked for."""
    encoder = ItemEncoder(label=LABEL, secrets={})
    for run_id, request in made:
        yield encoder.encode(request, run_id)


def shipments(made: Sequence[tuple[str, Request]]) -> Iterator[Shipment]:
    """What a sender takes."""
    encoder = ItemEncoder(label=LABEL, secrets={})
    for run_id, request in made:
        attempt = Attempt(Address(run_id), "1:abcdefghijklmnopqrstuvwxyz", 1, run_id, 0)
        yield Shipment(encoder.encode(request, run_id), attempt)


class NullStore:
    """A state that forgets at once."""

    def stage(self, edits: Sequence[Edit]) -> None:
        pass

    def finish(self) -> int:
        return 0
