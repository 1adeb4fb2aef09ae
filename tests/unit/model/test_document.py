"""What a finding is about, in words that people know from their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.document import Document, FieldPath, SourceFile, dotted, subject


def document(data: object) -> Document:
    return Document(SourceFile(display="m.yaml", name="m.yaml", folder=Path(), text=""), index=0, line=1, data=data)


RUNS = [{"name": "a"}, {"name": ""}, {"name": 5}, "no run"]
GROUP = {"kind": "RunGroup", "metadata": {"name": "g"}, "spec": {"runs": RUNS}}


@pytest.mark.parametrize(
    ("data", "path", "about"),
    [
        (GROUP, ("spec", "runs", 0, "body"), "g/a"),
        (GROUP, ("spec", "runs", 1), "g/#2"),
        (GROUP, ("spec", "runs", 2, "name"), "g/#3"),
        (GROUP, ("spec", "runs", 3), "g/#4"),
        (GROUP, ("spec", "runs", 99), "g/#100"),
        (GROUP, ("spec", "runs"), "g"),
        (GROUP, ("metadata", "name"), "g"),
        ({**GROUP, "metadata": {"name": 7}}, ("spec", "runs", 0, "headers", "X-Team"), "spec.runs[0].headers.X-Team"),
        ({**GROUP, "metadata": None}, ("spec",), "spec"),
        ({**GROUP, "kind": "Project"}, ("spec", "runs", 0), "spec.runs[0]"),
        ("text", (), ""),
    ],
)
def test_it_is_the_run_or_the_group_or_the_field(data: object, path: FieldPath, about: str) -> None:
    assert subject(document(data), path) == about


VALUES = st.recursive(
    st.none() | st.text(max_size=3) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "metadata", "name", "spec", "runs"]), inner, max_size=4)
    ),
)


@given(VALUES, st.lists(st.sampled_from(["spec", "runs", "metadata", 0, 7]), max_size=4).map(tuple))
def test_of_any_data_it_is_told(data: object, path: FieldPath) -> None:
    assert isinstance(subject(document(data), path), str)
    if isinstance(data, dict):
        assert isinstance(subject(document({**data, "kind": "RunGroup", "metadata": {"name": "g"}}), path), str)


def test_a_path_reads_as_people_write_it() -> None:
    assert dotted(("spec", "runs", 3, "headers", "X-Team")) == "spec.runs[3].headers.X-Team"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("display", "shown"),
    [("infra/manifests/m.yaml", "infra/data/a.csv"), ("manifests/m.yaml", "data/a.csv"), ("-", "data/a.csv")],
)
def test_other_files_are_named_as_this_one_was(display: str, shown: str) -> None:
    source = SourceFile(display=display, name="manifests/m.yaml", folder=Path(), text="")
    assert source.shown("data/a.csv") == shown
