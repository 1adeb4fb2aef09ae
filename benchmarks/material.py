"""What sending alone starts from: runs that need no manifest, and a state that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wfdeploy.model.alike import DeclaredAlike
from wfdeploy.model.attempts import Columns, FirstAttempts
from wfdeploy.model.canonical import even_texts
from wfdeploy.model.edits import Edit
from wfdeploy.model.remote import Item
from wfdeploy.model.request import Body, BodyKind, Delivery, FlowControl, Request
from wfdeploy.model.run import Group, Source
from wfdeploy.pipeline.apply.batch import ReadyBatch
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


def batches(made: Sequence[tuple[str, Request]], size: int) -> Iterator[ReadyBatch]:
    """What a sender takes, as a first apply makes it of runs that are alike: by column, each batch when it is asked
    for. All of it is on the clock: the bodies' canonical form, the items, the attempts."""
    encoder = ItemEncoder(label=LABEL, secrets={})
    group = Group("benchmark")
    model = made[0][1]._replace(body=Body())
    source = Source("manifests/benchmark.yaml", 1)
    for start in range(0, len(made), size):
        run_ids, some = zip(*made[start : start + size], strict=True)
        bodies = [request.body.value for request in some]
        count = len(bodies)
        runs = DeclaredAlike(
            group=group,
            names=run_ids,
            ordinals=range(start, start + count),
            sources=[source] * count,
            models=[model] * count,
            bodies=bodies,
            texts=even_texts(bodies),
            is_generated=False,
        )
        columns = Columns(
            address=runs.addresses,
            fingerprint=("1:abcdefghijklmnopqrstuvwxyz",) * count,
            generation=(1,) * count,
            workflow_run_id=run_ids,
            intent_at_ms=(0,) * count,
            since_ms=(None,) * count,
            delay_s=(None,) * count,
            not_before_s=(None,) * count,
            explicit_id=(False,) * count,
            delivery=("",) * count,
            source=("",) * count,
            own=runs.texts,
            end=("",) * count,
            tries=(0,) * count,
            by=("",) * count,
            triggered_id=("",) * count,
        )
        yield ReadyBatch(FirstAttempts(columns, {}), encoder.encode_together(runs, run_ids))


class NullStore:
    """A state that forgets at once."""

    def stage(self, edits: Sequence[Edit]) -> None:
        pass

    def finish(self) -> int:
        return 0
