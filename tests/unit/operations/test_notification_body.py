"""Bodies by a template: what it may use of a notification, and that there is nothing else to use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wfdeploy.manifests.expand.expressions import ExpressionError
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.operations.notification_body import body_of, problems_of

ONE = Notification(
    id="0123",
    kind=NotificationKind.RUNS_FAILED,
    group="g",
    facts=json.dumps(
        {"text": "2 runs of g have failed", "count": 2, "states": {"RUN_FAILED": 2}, "addresses": ["g/a"]}
    ),
    raised_at_ms=1_790_000_000_000,
    webhooks=("ops",),
)


def test_values_keep_their_types_and_texts_are_put_together() -> None:
    template = {
        "event_action": "trigger",
        "dedup_key": "${{ event.id }}",
        "payload": {
            "summary": "${{ event.kind }}: ${{ event.text }}",
            "severity": "${{ 'critical' if event.count > 1 else 'warning' }}",
            "runs": "${{ event.count }}",
            "addresses": ["${{ event.addresses }}", 5, None, True],
            "timestamp": "${{ event.at }}",
            "link": "${{ event.link }}",
        },
    }
    assert body_of(template, ONE) == {
        "event_action": "trigger",
        "dedup_key": "0123",
        "payload": {
            "summary": "runs-failed: 2 runs of g have failed",
            "severity": "critical",
            "runs": 2,
            "addresses": [["g/a"], 5, None, True],
            "timestamp": "2026-09-21T14:13:20Z",
            "link": "",
        },
    }
    assert list(problems_of(template)) == []


@pytest.mark.parametrize(
    "text",
    ["${{ secrets.APP_TOKEN }}", "${{ vars.app_url }}", "${{ environ.HOME }}", "${{ event.nothing }}", "${{ row.a }}",
     "${{ event.__class__ }}", "${{ secrets }}", "${{", "${{ event.text * 100000 }}", "${{ self }}"],
)  # fmt: skip
def test_there_is_nothing_else_to_name(text: str) -> None:
    with pytest.raises(ExpressionError):
        body_of({"a": [text]}, ONE)
    ((path, _),) = problems_of({"a": [text]}, ("body",))
    assert path == ("body", "a", 0)


def test_the_whole_is_bounded() -> None:
    facts = json.dumps({"text": "x" * 10_000})
    big: Any = Notification(id="", kind=ONE.kind, group="", facts=facts, raised_at_ms=0, webhooks=())
    with pytest.raises(ExpressionError, match="more than 100,000 characters"):
        body_of(["${{ event.text }}"] * 20, big)
