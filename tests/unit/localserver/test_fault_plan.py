"""Failures that a test scripts."""

from __future__ import annotations

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api
from wfdeploy.localserver.fault_plan import Refusal, TriggerItem

pytestmark = pytest.mark.usefixtures("deliveries_held")


def test_duplicate_may_be_refused_as_a_whole(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    server.faults.duplicates = "error"
    answer = api.trigger("wfr_new", "wfr_a", "wfr_other")
    assert answer.status_code == 400
    assert "wfr_a" in answer.json()["error"]
    assert server.accepted_counts() == {"wfr_a": 1}


def test_scenario_refuses_items(api: Api, server: LocalServer) -> None:
    def refuse(item: TriggerItem) -> Refusal | None:
        return Refusal("quota exceeded", 412) if item.headers["upstash-workflow-runid"] == "wfr_bad" else None

    server.faults.refuse = refuse
    answer = api.trigger("wfr_a", "wfr_bad")
    assert answer.status_code == 201
    assert answer.json()[1] == {"error": "quota exceeded"}
    assert api.trigger("wfr_bad").status_code == 412
    server.faults.refusals = "request"
    answer = api.trigger("wfr_c", "wfr_bad")
    assert (answer.status_code, answer.json()) == (412, {"error": "quota exceeded"})
    assert server.accepted_counts() == {"wfr_a": 1}
