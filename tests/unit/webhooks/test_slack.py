"""The usual body: what Slack shows, and no name that means harm to it."""

from __future__ import annotations

import json

from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.webhooks.slack import slack_body


def text_of(**facts: object) -> str:
    notification = Notification(
        id="0123abcd", kind=NotificationKind.DRIFT, group="g", facts=json.dumps(facts), raised_at_ms=0, webhooks=()
    )
    body = slack_body(notification)
    assert list(body) == ["text"]
    return str(body["text"])


def test_it_says_what_happened_and_what_to_type() -> None:
    text = text_of(
        where="shop, production",
        text="7 runs of g have failed",
        addresses=["g/a", "g/b"],
        more=5,
        commands=["wfdeploy resume 'g/*' --failed -e production"],
        link="https://github.com/acme/flows/actions/runs/1",
    )
    assert text.splitlines() == [
        "*shop, production*: 7 runs of g have failed",
        "• `g/a`",
        "• `g/b`",
        "• and 5 more",
        "`wfdeploy resume 'g/*' --failed -e production`",
        "https://github.com/acme/flows/actions/runs/1",
        "_0123abcd_",
    ]


def test_names_mention_nobody_and_link_nowhere() -> None:
    text = text_of(where="<!channel>", text="`&<https://evil.example|here>`\n*x*", addresses=["g/a[<@U1>`]"])
    assert "<" not in text
    assert text.splitlines()[1] == "• `g/a[&lt;@U1&gt;']`"
    assert len(text_of(text="x" * 9000)) < 3100


def test_facts_of_another_version_are_no_error() -> None:
    assert text_of().endswith("_0123abcd_")
