"""Events as JSON fields, for a log that programs read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from wfdeploy.model.event import Event, Following, Listing, Notice, Reading, Settled, Started, Waiting
from wfdeploy.render.report import result_fields


def event_lines(event: Event) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each line that tells of the event: a name and fields."""
    match event:
        case Settled():
            for result in event.results:
                yield "settled", result_fields(result)
        case _:
            yield _line(event)


def _line(event: Reading | Started | Waiting | Listing | Following | Notice) -> tuple[str, Mapping[str, object]]:
    match event:
        case Reading():
            share = round(event.part / event.whole, 4) if event.whole else None
            return "reading", {"runs": event.runs, "done": event.done, "share": share}
        case Started():
            return "started", {"total": event.total, "cancels": event.cancels}
        case Waiting():
            return "waiting", {"why": event.why, "seconds": round(event.seconds, 3)}
        case Listing():
            return "listing", {"seen": event.seen, "done": event.done, "total": event.total}
        case Following():
            return "following", {"ended": event.ended, "total": event.total}
        case Notice():
            return "notice", {"message": event.message, "hint": event.hint}
        case _:
            assert_never(event)
