"""Workflow run ids as they are read."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.model.workflow_id import id_key, parse_run_id


@given(st.text())
def test_other_ids_are_not_ours(text: str) -> None:
    parts = parse_run_id(text)
    assert parts is None or "-g" in text


def test_prefixes_do_not_count() -> None:
    assert id_key("my-run") == id_key("wfr_my-run") == id_key("wfr_wfr_my-run") == "wfr_my-run"
