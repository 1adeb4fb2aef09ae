"""The body of a notification that Slack understands, and what is compatible with it (Mattermost, Rocket.Chat, Discord).

Sources: Slack, "Sending messages using incoming webhooks"; "Formatting text for app surfaces", on escaping.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wfdeploy.model.notification import Notification

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})
"""Without these, no name can mention anybody, link anywhere, or end a line of code."""

_LONGEST = 3000
"""Characters; Slack cuts longer texts in the middle of a word, at 40,000."""


def slack_body(notification: Notification) -> Mapping[str, Any]:
    """A `text` alone: what happened, then the commands to type, and the id."""
    facts: Mapping[str, Any] = json.loads(notification.facts)
    lines = [f"*{_escaped(facts.get('where'))}*: {_escaped(facts.get('text'))}"]
    lines += [f"• `{_escaped(address)}`" for address in facts.get("addresses", ())]
    if more := facts.get("more"):
        lines.append(f"• and {more:,} more")
    lines += [f"`{_escaped(command)}`" for command in facts.get("commands", ())]
    if link := facts.get("link"):
        lines.append(_escaped(link))
    text = "\n".join(lines)
    return {"text": f"{text[:_LONGEST]}\n_{notification.id}_"}


def _escaped(text: object) -> str:
    return " ".join(str(text).split()).translate(_ESCAPES)
