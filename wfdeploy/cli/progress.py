"""What is said while an operation works: a bar on a terminal, a line now and then elsewhere, JSON for programs.

Each is a listener to the operation's events. It decides nothing, never raises into the work, and never makes it
wait: a display that can't keep up shows less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wfdeploy.cli.output import LogFormat, Output, View

if TYPE_CHECKING:
    from wfdeploy.cli.displays import Bar, JsonEvents, Lines
    from wfdeploy.model.event import Event
    from wfdeploy.ports import Listener


@contextmanager
def listener(output: Output, *, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Listener]:
    """The listener that suits where standard error goes."""
    teller = Teller(output, monotonic)
    try:
        yield teller
    finally:
        teller.pause()


@contextmanager
def bar(output: Output) -> Iterator[Listener]:
    """A listener that shows a bar where there can be one beside a text, and nothing elsewhere: for commands that read
    and show, and have nothing to say about it in a log."""
    if not output.can_animate or output.view is View.JSON:
        yield _unheard
        return
    with listener(output) as teller:
        yield teller


def _unheard(_: Event, /) -> None:
    """Nobody is told."""


def pause(listener: Listener) -> None:
    """Take a live display away, so that something else can be shown or asked; the next event brings it back."""
    if isinstance(listener, Teller):
        listener.pause()


class Teller:
    """Shows events. The display is made for the first of them: a command that has nothing to tell doesn't wait for a
    terminal library."""

    def __init__(self, output: Output, monotonic: Callable[[], float]) -> None:
        self._output = output
        self._monotonic = monotonic
        self._begun = monotonic()
        self._display: Bar | JsonEvents | Lines | None = None

    def __call__(self, event: Event, /) -> None:
        if self._display is None:
            self._display = self._suitable()
        self._display(event)

    def pause(self) -> None:
        """Take what is live away."""
        if self._display is not None:
            self._display.pause()

    def _suitable(self) -> Bar | JsonEvents | Lines:
        from wfdeploy.cli import displays

        if self._output.log_format is LogFormat.JSON:
            return displays.JsonEvents(self._output)
        if self._output.can_animate:
            return displays.Bar(self._output)
        return displays.Lines(self._output, self._monotonic, begun=self._begun)
