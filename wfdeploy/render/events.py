"""Events as JSON fields, for a log that programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from wfdeploy.model.event import Event, Following, Listing, Notice, Reading, Settled, Started, Waiting
from wfdeploy.render.report import result_fields


def event_fields(event: Event) -> tuple[str, Mapping[str, object]]:
    """The event's name and its fields."""
    match event:
        case Reading():
            return "reading", {"runs": event.runs, "done": event.done}
        case Started():
            return "started", {"total": event.total, "cancels": event.cancels}
        case Settled():
            return "settled", result_fields(event.result)
        case Waiting():
            return "waiting", {"why": event.why, "seconds": round(event.seconds, 3)}
        case Listing():
            return "listing", {"seen": event.seen, "done": event.done}
        case Following():
            return "following", {"ended": event.ended, "total": event.total}
        case Notice():
            return "notice", {"message": event.message, "hint": event.hint}
        case _:
            assert_never(event)
