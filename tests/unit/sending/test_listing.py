"""Long listings: what is said of them beforehand, and while they go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from wfdeploy.model.event import Event, Listing, Notice
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.remote import RunPage
from wfdeploy.sending.listing import list_all

LABEL = "wfdeploy.p.e"
NEWEST_MS = 1_795_442_400_000


class Pages(ModelServer):
    """Lists runs that were created a second apart, newest first, ten at a time, in a tenth of a second."""

    def __init__(self, clock: ManualClock, count: int) -> None:
        super().__init__(clock)
        self._times = [NEWEST_MS - 1000 * n for n in range(count)]

    async def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        for at in range(0, len(self._times), 10):
            await self.clock.sleep(0.1)
            runs = tuple(
                ObservedRun(workflow_run_id=f"wfr_{ms}", state=RunState.SUCCESS, created_at_ms=ms, labels=(label,))
                for ms in self._times[at : at + 10]
            )
            yield RunPage(runs, since_ms, at + 10 >= len(self._times))


def heard(count: int, *, since_ms: int | None = None, expected: int | None) -> tuple[list[str], list[Listing]]:
    events: list[Event] = []
    clock = ManualClock()
    server = Pages(clock, count)
    asyncio.run(list_all(server, clock, events.append, label=LABEL, since_ms=since_ms, expected=expected))
    notices = [event.message for event in events if isinstance(event, Notice)]
    return notices, [event for event in events if isinstance(event, Listing)]


def test_of_a_long_listing_it_is_said_how_long_it_takes_while_it_begins() -> None:
    (notice,), listings = heard(200, expected=1_000_000)
    assert notice == (
        "the server lists 10 runs at a time: up to 1,000,000 runs are up to 100,000 requests, "
        "about 2 h 47 min if they go on as fast as the first"
    )
    assert listings[0] == Listing(10, done=False, total=1_000_000)
    assert listings[-1] == Listing(200, done=True, total=1_000_000)


@pytest.mark.parametrize(
    ("count", "expected", "since_ms"),
    [
        (40, 1_000_000, None),  # it has ended by then
        (200, 9_000, None),
        (200, None, None),
        (200, 1_000_000, NEWEST_MS - 300_000),  # it doesn't reach back far
    ],
)
def test_of_others_nothing_is_said(count: int, expected: int | None, since_ms: int | None) -> None:
    assert heard(count, expected=expected, since_ms=since_ms)[0] == []


def test_times_tell_how_much_of_a_listing_is_there() -> None:
    _, listings = heard(200, since_ms=NEWEST_MS - 200_000, expected=1_000_000)
    totals = [listing.total for listing in listings]
    assert all(total is not None and 200 <= total <= 230 for total in totals[:-1])


def test_more_than_was_expected_has_no_total() -> None:
    _, listings = heard(40, expected=25)
    assert [listing.total for listing in listings] == [25, 25, None, None]
