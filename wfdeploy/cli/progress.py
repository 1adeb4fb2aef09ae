"""Progress of an operation: a bar on a terminal, a line now and then elsewhere, JSON for programs.

Each is a listener to the operation's events. It decides nothing, never raises into the work, and never makes it
wait: a display that can't keep up shows less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

from wfdeploy.cli.output import LogFormat, Output, View

if TYPE_CHECKING:
    from wfdeploy.cli.displays import Bar, JsonEvents, Lines
    from wfdeploy.model.event import Event, Notice
    from wfdeploy.ports import Listener


@contextmanager
def listener(output: Output, *, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Listener]:
    """The listener for the kind of place that standard error is."""
    display = EventDisplay(output, monotonic)
    try:
        yield display
    finally:
        display.pause()


@contextmanager
def bar(output: Output) -> Iterator[Listener]:
    """A listener that shows a bar where a terminal has room for one, and nothing but minor notices elsewhere: for
    commands whose progress isn't worth a log."""
    if not output.can_animate or output.view is View.JSON:
        yield partial(_show_minor, output)
        return
    with listener(output) as display:
        yield display


def _show_minor(output: Output, event: Event, /) -> None:
    """Show a minor notice with -v, and nothing else."""
    if _is_minor(event):
        output.detail(event.message)


def _is_minor(event: Event) -> TypeGuard[Notice]:
    from wfdeploy.model.event import Notice

    return isinstance(event, Notice) and event.minor


def pause(listener: Listener) -> None:
    """Remove a live display, so that something else can be shown or asked; the next event brings it back."""
    if isinstance(listener, EventDisplay):
        listener.pause()


class EventDisplay:
    """A listener that chooses its display at the first event: without events, no terminal library is loaded."""

    def __init__(self, output: Output, monotonic: Callable[[], float]) -> None:
        self._output = output
        self._monotonic = monotonic
        self._begun = monotonic()
        self._display: Bar | JsonEvents | Lines | None = None

    def __call__(self, event: Event, /) -> None:
        if _is_minor(event):
            self._output.detail(event.message)
            return
        if self._display is None:
            self._display = self._suitable()
        self._display(event)

    def pause(self) -> None:
        """Remove what is live."""
        if self._display is not None:
            self._display.pause()

    def _suitable(self) -> Bar | JsonEvents | Lines:
        from wfdeploy.cli import displays

        if self._output.log_format is LogFormat.JSON:
            return displays.JsonEvents(self._output)
        if self._output.can_animate:
            return displays.Bar(self._output)
        return displays.Lines(self._output, self._monotonic, begun=self._begun)
