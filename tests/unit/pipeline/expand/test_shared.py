"""What runs share is made once, and comes to what making it anew comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.document import Document, Finding, SourceFile
from wfdeploy.model.request import Request
from wfdeploy.pipeline.expand.defaults import layer
from wfdeploy.pipeline.expand.evaluation import Evaluation
from wfdeploy.pipeline.expand.input_files import InputFiles, Readers
from wfdeploy.pipeline.expand.references import References
from wfdeploy.pipeline.expand.runs import expand

OWN: dict[str, list[Any]] = {
    "body": [None, {"a": 1}, [], "${{ vars.x }}", {"a": ["${{ secrets.S }}"]}],
    "contentType": [None, "text/csv"],
    "retries": [None, 0, 1, 3.0],
    "delay": [None, "5s", "0s"],
    "notBefore": ["2026-12-01T06:00:00Z", "2026-13-01T06:00:00Z"],
    "failureUrl": [None, "https://b.example", "https://${{ vars.x }}", "${{ vars.missing }}"],
    "labels": [None, ["a"], ["${{ vars.x }}"]],
    "redact": [None, {"body": True}],
}
runs = st.lists(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OWN.items()}), max_size=6
)


@given(defaults=st.fixed_dictionaries({}, optional={name: st.sampled_from(v) for name, v in OWN.items()}), runs=runs)
def test_runs_are_what_their_fields_over_the_defaults_are(defaults: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    spec = {"destination": "https://a.example", "defaults": defaults}
    listed = [{"name": f"r{index}", **own} for index, own in enumerate(runs)]
    data = {"metadata": {"name": "g"}, "spec": {**spec, "runs": listed}}
    document = Document(SourceFile("f", "f", Path(), json.dumps(data)), 0, 1, data)
    files = InputFiles(Path(), 1000, Readers(yaml=lambda _: ([], []), row_rules=lambda _: None))  # type: ignore[arg-type, return-value]
    references = References({"x": "v"}, ("S",))
    found: list[Finding] = []
    made = list(expand(document, evaluator=references, files=files, findings=found))
    one_by_one: list[Finding] = []
    evaluation = Evaluation(document, references, one_by_one)
    base = layer(Request(destination=""), spec, ("spec",), evaluation=evaluation, files=files)
    base = layer(base, defaults, ("spec", "defaults"), evaluation=evaluation, files=files)
    for index, own in enumerate(listed):
        at = ("spec", "runs", index)
        request = layer(base, own, at, evaluation=evaluation, files=files, last=True)
        assert made[index][1].request == request
    assert [(one.path, one.message) for one in found] == [(one.path, one.message) for one in one_by_one]


def test_runs_that_say_the_same_share_their_delivery_options() -> None:
    data = {
        "metadata": {"name": "g"},
        "spec": {"destination": "https://a", "runs": [{"name": name, "retries": 3} for name in "ab"]},
    }
    document = Document(SourceFile("f", "f", Path(), ""), 0, 1, data)
    files = InputFiles(Path(), 1000, Readers(yaml=lambda _: ([], []), row_rules=lambda _: None))  # type: ignore[arg-type, return-value]
    (_, first), (_, second) = expand(document, evaluator=References({}, ()), files=files, findings=[])
    assert first.request.delivery is second.request.delivery
