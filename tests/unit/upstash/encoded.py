"""A request with every field, and requests as they are sent."""

from __future__ import annotations

import json
from typing import Any

from tests.support.requests import request_of
from wfdeploy.model.request import (
    Body,
    BodyKind,
    FlowControl,
    Redact,
    Request,
    SecretRef,
    SecretText,
)
from wfdeploy.upstash.wire import ItemEncoder

SECRETS = {"TOKEN": 's3"cr\\et', "KEY": "k-1", "HOST": "ops.example.com"}
BEARER = SecretText(("Bearer ", SecretRef("TOKEN")))
FULL = request_of(
    "https://app.example.com/api/workflow/onboard?a=1",
    content_type="application/json",
    headers={"X-Team": "growth", "Authorization": BEARER},
    body=Body(BodyKind.JSON, {"tenant": "acme", "seats": 12}),
    retries=5,
    retry_delay="pow(2, retried) * 1000",
    delay_s=90,
    not_before_s=1_796_104_800,
    timeout_s=30,
    labels=("onboarding", "beta"),
    flow_control=FlowControl(key=SecretText((SecretRef("KEY"),)), parallelism=10, rate=100, period_s=60),
    failure_url=SecretText(("https://", SecretRef("HOST"), "/failed")),
    failure_headers={"X-Team": "growth", "Authorization": BEARER},
    redact=Redact(body=True, headers=("Authorization", "X-Team")),
)


def wire(request: Request, **more: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"workflow_run_id": "wfr_1", "label": "wfdeploy.p.e", "secrets": SECRETS, **more}
    run_id = arguments.pop("workflow_run_id")
    item = ItemEncoder(**arguments).encode(request, run_id)
    assert item.workflow_run_id == run_id
    value = json.loads(item.encoded)
    assert isinstance(value, dict)
    return value
