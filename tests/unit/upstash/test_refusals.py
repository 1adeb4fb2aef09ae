"""What a refusal says, and which runs it names."""

from __future__ import annotations

import pytest

from wfdeploy.upstash.refusals import error_text, named_running

IDS = ["wfr_a", "wfr_b", "c", "wfr_c-longer"]


@pytest.mark.parametrize(
    ("message", "sent", "running"),
    [
        ("workflow run with id wfr_a is already running", IDS, {"wfr_a"}),
        ("Workflow run `wfr_wfr_a` already exists.", IDS, {"wfr_a"}),
        ('a run with the id "wfr_c-longer" is in progress', IDS, {"wfr_c-longer"}),
        ("runs wfr_a, wfr_b are already active", IDS, {"wfr_a", "wfr_b"}),
        ("duplicate workflow run id: wfr_a", IDS, {"wfr_a"}),
        ("a workflow run with this id is already running", ["wfr_a"], set()),
        ("a workflow run with this id is already running", IDS, set()),
        ("run wfr_other is already running", ["wfr_a"], set()),
        ("wfr_a: invalid header Upstash-Delay", IDS, set()),
        ("wfr_a: destination does not exist", IDS, set()),
        ("wfr_a is not running", IDS, set()),
        ("wfr_a: duplicate header X-A", IDS, set()),
        ("invalid id wfr_ab", IDS, set()),
        ("already running", ["wfr_a"], set()),
        ("already running: wfr_a, wfr_b", IDS, {"wfr_a", "wfr_b"}),
        ("cannot start wfr_a: it is still running", IDS, {"wfr_a"}),
        ("run 'wfr_a' is already running; wfr_b was not tried", IDS, {"wfr_a"}),
        ("Refused wfr_b. Run wfr_a is already running. Try later.", IDS, {"wfr_a"}),
        ("run (wfr_c) already exists...", IDS, {"c"}),
        ("run id=wfr_a, is in use", IDS, {"wfr_a"}),
        ("run limit reached: 100 runs are currently active", ["wfr_a"], set()),
        ("a schedule of this name already exists", ["wfr_a"], set()),
        ("workflow run is already in progress in another account", ["wfr_a"], set()),
        ("run wfr_a is no longer running", IDS, set()),
        ("run wfr_a isn't running", IDS, set()),
        ("could not determine whether run wfr_a is currently running", IDS, set()),
        ("run wfr_a-1 is already running", IDS, set()),
        ("run wfr_a.b is already running", IDS, set()),
        ("run wfr_a_b is already running", IDS, set()),
        ("run x-wfr_a is already running", IDS, set()),
        ("run x.wfr_a is already running", IDS, set()),
        ("run éwfr_a is already running", IDS, set()),
        ("run wfr_aé is already running", IDS, set()),
        ("run WFR_A is already running", IDS, set()),
        ("run wfr_wfr_wfr_a is already running", IDS, set()),
        ("run a is already running", IDS, set()),
        ("", IDS, set()),
    ],
)
def test_which_runs_a_refusal_names_as_running(message: str, sent: list[str], running: set[str]) -> None:
    assert named_running(message, sent) == running


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": "bad request"}', "bad request"),
        (b'{"error": {"message": "nested"}}', "nested"),
        (b'{"message": "other name"}', "other name"),
        (b'{"error": ""}', ""),
        (b"[]", ""),
        (b"", ""),
        (b"  \r\n", ""),
        (b'"just text"', "just text"),
        (b"plain text", "plain text"),
        (b"<html><head><title>502 Bad &amp; Ugly</title></head><body>x</body></html>", "502 Bad & Ugly"),
        (b"<html><style>p{}</style><p>Some <b>words</b></p><!-- no --></html>", "Some words"),
        (b"<html></html>", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 100_000, "[" * 65536),
    ],
)
def test_what_an_error_body_says(body: bytes, text: str) -> None:
    assert error_text(body) == text
