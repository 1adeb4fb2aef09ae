"""What runs share is made once, and comes to what making it anew comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.manifests.expand.expanding import expanded
from wfdeploy.manifests.expand import runs, templates
from wfdeploy.manifests.expand.defaults import (
    JSON_TYPE,
    TEXT_TYPE,
)
from wfdeploy.model.request import Body, BodyKind

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
