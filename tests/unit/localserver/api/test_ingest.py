"""What is accepted: no duplicates, and steps of running runs."""

from __future__ import annotations

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api

pytestmark = pytest.mark.usefixtures("deliveries_held")


NOWHERE = "http://127.0.0.1:9/wf"


def test_duplicate_of_a_running_id_starts_nothing(api: Api, server: LocalServer) -> None:
    first = api.trigger("wfr_a").json()[0]
    again = api.trigger("wfr_a", "wfr_b").json()
    assert again[0] == {**first, "deduplicated": True}
    assert "deduplicated" not in again[1]
    assert server.accepted_counts() == {"wfr_a": 1, "wfr_b": 1}


def test_duplicates_within_one_batch(api: Api, server: LocalServer) -> None:
    assert [item.get("deduplicated", False) for item in api.trigger("wfr_a", "wfr_a").json()] == [False, True]
    server.faults.duplicates = "error"
    assert api.trigger("wfr_b", "wfr_b").status_code == 400
    assert server.accepted_counts() == {"wfr_a": 1}


@pytest.mark.parametrize("state", ["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"])
def test_id_is_free_again_when_its_run_has_ended(api: Api, server: LocalServer, state: str) -> None:
    api.trigger("wfr_a")
    assert server.end("wfr_a", state)
    assert not server.end("wfr_a", state)
    assert "deduplicated" not in api.trigger("wfr_a").json()[0]
    runs = server.accepted("wfr_a")
    assert [run.state for run in runs] == [state, "RUN_STARTED"]
    assert runs[0].created_at_ms < runs[1].created_at_ms


def test_instant_finish_frees_the_id_at_once(api: Api, server: LocalServer) -> None:
    server.faults.instant_finish = True
    for _ in range(3):
        assert "deduplicated" not in api.trigger("wfr_a").json()[0]
    runs = server.accepted("wfr_a")
    assert [run.state for run in runs] == ["RUN_SUCCESS"] * 3
    assert len({run.created_at_ms for run in runs}) == 3


def test_submission_for_no_running_run_is_refused(api: Api) -> None:
    item = {"destination": NOWHERE, "headers": {"Upstash-Workflow-RunId": "wfr_gone", "Upstash-Workflow-Init": "false"}}
    answer = api.http.post("/v2/batch", json=[item])
    assert answer.status_code == 400
    assert "can not append" in answer.json()["error"]


def test_step_is_recorded_once(api: Api) -> None:
    api.trigger("wfr_a")
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    item = {
        "destination": NOWHERE,
        "headers": headers,
        "body": '{"stepId":1,"stepName":"s","stepType":"Run","out":"1"}',
    }
    first = api.http.post("/v2/batch", json=[item]).json()[0]
    again = api.http.post("/v2/batch", json=[item]).json()[0]
    assert again == {"messageId": first["messageId"], "deduplicated": True}
    steps = api.http.get("/v2/workflows/runs/wfr_a").json()
    assert [entry["callType"] for entry in steps] == ["step", "step"]
    assert steps[1]["messageId"] == first["messageId"]
