"""Recorded runs, and what a state holds of one."""

from __future__ import annotations

from dataclasses import replace

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.views import Golden, joined, tagged
from wfdeploy.model.address import Address
from wfdeploy.render import status, status_text


def test_status(golden: Golden) -> None:
    later_ms = samples.NOON_MS + 7_200_000
    golden(GOLDEN / "status" / "all.txt", joined(status_text.text(samples.STATUS, now_ms=later_ms)))
    narrow = status_text.text(samples.STATUS, tagged, width=45, now_ms=later_ms)
    golden(GOLDEN / "status" / "narrow.txt", joined(narrow))
    many = [replace(samples.STATUS[0], address=Address(f"c/r{n}")) for n in range(300)]
    golden(GOLDEN / "status" / "many.txt", joined(status_text.text([*samples.STATUS, *many], now_ms=later_ms)))
    golden(GOLDEN / "status" / "all.json", joined(status.json_text(samples.STATUS)))
    golden(GOLDEN / "status" / "none.txt", joined(status_text.text(())))


def test_state(golden: Golden) -> None:
    shown = {
        "address": Address("g/r"),
        "record": {
            "workflowRunId": "wfr_g-r",
            "generation": 2,
            "fingerprint": "1:abc",
            "origin": "triggered",
            "runState": "RUN_SUCCESS",
            "createdAtMs": samples.NOON_MS,
            "recordedAtMs": samples.NOON_MS,
            "source": "manifests/a.yaml:3",
            "by": {"host": "runner", "user": "ci"},
            "request": {"destination": "https://app.example.com", "body": {"a": "\x1b[2J"}},
        },
        "attempt": {"status": "unknown", "workflowRunId": "wfr_g-r-3", "generation": 3, "error": "timeout"},
        "history": [
            {
                "ended": "superseded",
                "endedAtMs": samples.NOON_MS,
                "record": {"recordedAtMs": samples.NOON_MS - 1000, "generation": 1, "workflowRunId": "wfr_g-r-1"},
            }
        ],
    }
    golden(GOLDEN / "state" / "list.txt", joined(status.list_text(samples.STATUS)))
    golden(GOLDEN / "state" / "list.json", joined(status.list_json(samples.STATUS)))
    golden(GOLDEN / "state" / "show.txt", joined(status.show_text(shown)))
    golden(GOLDEN / "state" / "show.json", status.show_json(shown))
