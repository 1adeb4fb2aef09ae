"""What runs share is made once, and comes to what making it anew comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.manifests.expand.expanding import expanded
from wfdeploy.manifests.expand import runs, templates
from wfdeploy.manifests.expand.defaults import (
    JSON_TYPE,
    TEXT_TYPE,
    body_of,
    default_content_type,
    layer,
)
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.manifests.expand.references import References
from wfdeploy.manifests.expand.runs import expand
from wfdeploy.model.document import Document, Finding, SourceFile
from wfdeploy.model.request import NO_BODY, Body, BodyKind, Request, Template

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


SEVERAL_KINDS = """
    - {name: a, body: {n: 1}}
    - {name: b, body: {n: 2}, retries: 3}
    - {name: c, body: "${{ vars.url }}"}
    - {name: d, retries: 3, body: null, bodyText: x}
    - {name: e, bodyText: y, retries: 3}
    - {name: f, retries: 3, workflowRunId: mine, body: 1}
    - {name: h}
    - {name: i, destination: "${{ vars.url }}/x"}
    - {name: j, destination: "${{ vars.url }}/x"}"""


def test_runs_that_say_the_same_but_for_their_bodies_have_one_template(tmp_path: Path) -> None:
    found = expanded(tmp_path, SEVERAL_KINDS)
    a, b, c, d, e, f, h, i, j = (run.request.template for _, run in found.runs)
    assert a is c
    assert b is f
    assert d is e
    assert i is j
    assert (a.content_type, b.content_type, d.content_type, h.content_type) == (JSON_TYPE, JSON_TYPE, TEXT_TYPE, None)
    assert len({id(template) for template in (a, b, d, h, i)}) == 5


def test_no_more_templates_are_remembered_than_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = expanded(tmp_path, SEVERAL_KINDS)
    monkeypatch.setattr(runs, "MOST_TEMPLATES", 1)
    found = expanded(tmp_path, SEVERAL_KINDS)
    assert found.runs == expected.runs
    a, _, c, d, e, *_ = (run.request.template for _, run in found.runs)
    assert a is not c
    assert d is e


def test_what_is_wrong_is_told_wherever_it_stands(tmp_path: Path) -> None:
    entry = "{name: %s, labels: ['${{ vars.missing }}']}"
    found = expanded(tmp_path, "\n".join(f"    - {entry % name}" for name in "abc"))
    assert found.told == [f"m.yaml:{line} undefined-variable" for line in (6, 7, 8)]


ROWS = """
    - name: r
      forEach: {items: [{k: a, n: 1}, {k: b, n: 2}, {k: c, n: 1}, {k: d, n: 3}]}
      key: ${{ row.k }}
      body: ${{ row.k }}"""


def test_rows_that_differ_in_their_bodies_have_one_template(tmp_path: Path) -> None:
    found = expanded(tmp_path, f"{ROWS}\n      labels: ['${{{{ vars.regions[0] }}}}']")
    first, *others = (run.request.template for _, run in found.runs)
    assert all(template is first for template in others)
    assert found.bodies == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "field",
    [
        "destination: https://a/${{ row.n }}",
        "headers: {X-N: '${{ row.n }}'}",
        "labels: ['n-${{ row.n }}']",
        "failureUrl: https://a/${{ row.n }}",
        "flowControl: {key: 'k-${{ row.n }}', rate: 1}",
        "failureHeaders: {X-N: '${{ row.n }}'}",
    ],
)
def test_rows_have_the_template_that_theirs_comes_to(
    tmp_path: Path, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = expanded(tmp_path, f"{ROWS}\n      {field}")
    a, b, c, d = (run.request.template for _, run in found.runs)
    assert a is c
    assert len({repr(template) for template in (a, b, d)}) == 3
    monkeypatch.setattr(templates, "_MOST_TEMPLATES", 1)
    again = expanded(tmp_path, f"{ROWS}\n      {field}")
    assert again.runs == found.runs
    assert again.runs[0][1].request.template is not again.runs[2][1].request.template


def test_a_body_that_does_not_vary_is_shared_by_all_rows(tmp_path: Path) -> None:
    entry = ROWS.replace("body: ${{ row.k }}", "body: {a: '${{ vars.url }}'}")
    first, *others = (run.request.body for _, run in expanded(tmp_path, entry).runs)
    assert all(body is first for body in others)
    assert first == Body(BodyKind.JSON, {"a": "https://app.example.com"})
