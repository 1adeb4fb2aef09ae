"""Runs are what their fields over the defaults are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.manifests.expand import runs
from wfdeploy.manifests.expand.defaults import (
    body_of,
    default_content_type,
    layer,
)
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.manifests.expand.references import References
from wfdeploy.manifests.expand.runs import expand
from wfdeploy.model.document import Document, Finding, SourceFile
from wfdeploy.model.request import NO_BODY, Request, Template

OWN: dict[str, list[Any]] = {
    "body": [None, {"a": 1}, [], "${{ vars.x }}", {"a": ["${{ secrets.S }}"]}],
    "bodyText": [None, "text", "${{ vars.x }}"],
    "contentType": [None, "text/csv"],
    "destination": [None, "https://b.example/${{ vars.x }}"],
    "headers": [None, {"X-A": "1"}, {"x-a": None, "X-B": "${{ secrets.S }}"}],
    "retries": [None, 0, 1, 3.0],
    "delay": [None, "5s", "0s"],
    "notBefore": ["2026-12-01T06:00:00Z", "2026-13-01T06:00:00Z"],
    "failureUrl": [None, "https://b.example", "https://${{ vars.x }}", "${{ vars.missing }}"],
    "labels": [None, ["a"], ["${{ vars.x }}"]],
    "redact": [None, {"body": True}],
}


own = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OWN.items()})


shared = own.map(lambda fields: {name: value for name, value in fields.items() if name != "destination"})


@given(defaults=shared, given_=st.lists(own, max_size=6), most=st.sampled_from([1, 1000]))
def test_runs_are_what_their_fields_over_the_defaults_are(
    defaults: dict[str, Any], given_: list[dict[str, Any]], most: int
) -> None:
    spec = {"destination": "https://a.example", "defaults": defaults}
    listed = [{"name": f"r{index}", **fields} for index, fields in enumerate(given_)]
    data = {"metadata": {"name": "g"}, "spec": {**spec, "runs": listed}}
    document = Document(SourceFile("f", "f", Path(), json.dumps(data)), 0, 1, data, has_expressions=True)
    files = InputFiles(Path(), 1000)
    references = References({"x": "v"}, ("S",))
    found: list[Finding] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "MOST_TEMPLATES", most)
        made = list(expand(document, evaluator=references, files=files, findings=found))
    one_by_one: list[Finding] = []
    evaluation = Evaluation(document, references, one_by_one)
    base = layer(Template(), spec, ("spec",), evaluation)
    base = layer(base, defaults, ("spec", "defaults"), evaluation)
    base_body = body_of(defaults, ("spec", "defaults"), evaluation, files) or NO_BODY
    for index, fields in enumerate(listed):
        at = ("spec", "runs", index)
        body = body_of(fields, at, evaluation, files)
        body = base_body if body is None else body
        template = layer(base, fields, at, evaluation, default_content_type(body))
        assert made[index][1].request == Request(template, body)
    assert [(one.path, one.message) for one in found] == [(one.path, one.message) for one in one_by_one]
