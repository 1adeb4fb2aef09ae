"""A request to stop early, handed from whoever hears the user to the engine that sends."""

from __future__ import annotations

from collections.abc import Callable


class StopFlag:
    """Raised once, never lowered: no new batch is started, those in flight are finished and recorded.

    `request` may be called from a signal handler. An engine that sleeps in an event loop registers a wake-up with
    `on_request`, e.g. `lambda: loop.call_soon_threadsafe(event.set)`; one registered after the request is called
    at once.
    """

    __slots__ = ("_requested", "_wake_ups")

    def __init__(self) -> None:
        self._requested = False
        self._wake_ups: list[Callable[[], object]] = []

    @property
    def requested(self) -> bool:
        return self._requested

    def request(self) -> None:
        """Ask to stop; asking twice is asking once."""
        if self._requested:
            return
        self._requested = True
        for wake_up in self._wake_ups:
            wake_up()

    def on_request(self, wake_up: Callable[[], object]) -> None:
        """Call `wake_up` when the stop is requested."""
        self._wake_ups.append(wake_up)
        if self._requested:
            wake_up()
