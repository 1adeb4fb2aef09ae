"""The displays of progress: JSON for programs, lines, a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, assert_never

from wfdeploy.errors import several
from wfdeploy.model.event import Event, Following, Listing, Notice, Reading, Settled, Started, Waiting
from wfdeploy.render.terminal import printable
from wfdeploy.render.width import clip, inside

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from wfdeploy.cli.output import Output

_EVERY_S = 10.0
_SHORT_WAIT_S = 1.0  # not worth a line
_FOLLOWING = "following the runs"
_ASKING = "asking the server"
_READING = "reading manifests"
_LONG_WAIT_S = 5.0
_FRAMES_PER_S = 8


class JsonEvents:
    """One JSON object per event; one per run, where it is about several."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, event: Event, /) -> None:
        for name, fields in _event_lines(event):
            self._output.event(name, fields)

    def pause(self) -> None:
        """Nothing of it is live."""


class Lines:
    """A line when something begins or has to be waited for, and about every ten seconds in between."""

    def __init__(self, output: Output, monotonic: Callable[[], float], *, begun: float | None = None) -> None:
        self._output = output
        self._monotonic = monotonic
        self._total = 0
        self._settled = 0
        self._begun = self._last_note = monotonic() if begun is None else begun
        self._listed: tuple[float, int] | None = None  # when a listing began, and how many runs its first page had

    def __call__(self, event: Event, /) -> None:
        match event:
            case Reading(runs, done):
                if not done and self._is_time():
                    self._output.note(f"{_READING}: {several(runs)} so far, {self._rate(runs):,.0f} runs/s")
            case Started(total, cancels):
                self._total, self._settled = total, 0
                self._begun = self._last_note = self._monotonic()
                self._output.note(f"{_doing(cancels)} {several(total)}")
            case Settled(results):
                self._settled += len(results)
                if self._is_time():
                    rate = self._rate(self._settled)
                    self._output.note(f"{self._settled:,} of {several(self._total)} done, {rate:,.0f} runs/s")
            case Waiting(why, seconds):
                if seconds >= _SHORT_WAIT_S:
                    self._output.note(f"waiting {seconds:.0f} s: {printable(why)}")
            case Listing(seen, done, total):
                if self._listed is None or seen < self._listed[1]:
                    self._listed = self._monotonic(), seen
                if not done and self._is_time():
                    self._output.note(
                        f"asking the server what it runs: {several(seen)} so far{self._left(seen, total)}"
                    )
                elif done:
                    self._listed = None
                    self._output.detail(f"the server listed {several(seen)}")
            case Following(ended, total):
                if ended < total and self._is_time():
                    self._output.note(f"{ended:,} of {several(total)} ended")
            case Notice(message, hint):
                self._output.note(f"{printable(message)}" + ("" if hint is None else f" ({printable(hint)})"))
            case _:
                assert_never(event)

    def pause(self) -> None:
        """Nothing of it is live."""

    def _is_time(self) -> bool:
        now = self._monotonic()
        if now - self._last_note < _EVERY_S:
            return False
        self._last_note = now
        return True

    def _rate(self, count: int) -> float:
        return count / max(self._monotonic() - self._begun, 0.001)

    def _left(self, seen: int, total: int | None) -> str:
        """The part of a listing that is left, where that is known."""
        assert self._listed is not None
        began, first = self._listed
        if total is None or seen == first:
            return ""
        seconds = (self._monotonic() - began) / (seen - first) * (total - seen)
        return f" of at most {total:,}, about {max(round(seconds / 60), 1)} min left"


class Bar:
    """One line: what is going on, how much of it is done, the rate, the time left. It leaves nothing behind."""

    def __init__(self, output: Output) -> None:
        from rich.console import Console

        from wfdeploy.render.terminal import plain

        self._console = Console(
            file=output.error_stream,
            force_terminal=True,
            no_color=output.error_style is plain,
            width=output.error_width,
            highlight=False,
        )
        self._room = inside(output.error_width, 45, 20)  # what bar, counts and time leave of the line
        self._progress = self._display()
        self._task: TaskID | None = None
        self._settled = self._total = 0
        self._doing = _doing(cancels=False)
        self._drawn = 0.0
        self._last_note = ""
        self._since = 0.0, 0  # when reading was first reported, and how many runs there were

    def __call__(self, event: Event, /) -> None:
        match event:
            case Reading():
                self._read(event)
            case Started(total, cancels):
                self._settled, self._total, self._doing = 0, total, _doing(cancels)
                self._begin(self._doing, total)
            case Settled(results):
                self._settled += len(results)
                # rich takes some 70 µs for an update: for each of 100,000 runs that would be the slowest part.
                if self._settled >= self._total or time.monotonic() - self._drawn >= 1 / _FRAMES_PER_S:
                    self._draw(self._doing, self._settled)
            case Waiting(why, seconds):
                if seconds >= _SHORT_WAIT_S:
                    self._wait(printable(why), seconds)
            case Listing(seen, done, total):
                self._list(seen, done, total)
            case Following(ended, total):
                self._follow(ended, total)
            case Notice(message, hint):
                self._print(printable(message) + ("" if hint is None else f" ({printable(hint)})"))
            case _:
                assert_never(event)

    def pause(self) -> None:
        """Take the display away, for a question. The next one is new: a display that comes back would erase as many
        lines above it as it once had."""
        self._progress.stop()
        self._progress = self._display()
        self._task = None

    # --- what is shown: always one task, whose text and numbers change ---

    def _wait(self, why: str, seconds: float) -> None:
        if seconds >= _LONG_WAIT_S and why != self._last_note:
            self._last_note = why
            self._print(f"waiting {seconds:.0f} s: {why}")  # the line below has no room for all of it
        text = clip(f"waiting {seconds:.0f} s: {why}", self._room)
        if self._task is None or self._settled >= self._total:
            self._begin(text, None)
        else:
            self._draw(text, self._settled)

    def _read(self, event: Reading) -> None:
        """Bar and time left are those of what is read, the rate is that of the runs."""
        if event.done:
            self.pause()
            return
        task = None if self._task is None else self._progress.tasks[0]
        if task is None or task.description != _READING:
            self._since = time.monotonic(), event.runs
        if task is None or (task.total is None) != (event.whole == 0):
            self._begin(_READING, event.whole or None)
        begun, runs = self._since
        rate = (event.runs - runs) / max(time.monotonic() - begun, 0.001)
        self._show(_READING, event.part, count=several(event.runs), rate=rate, total=event.whole or None)

    def _list(self, seen: int, done: bool, total: int | None) -> None:
        if self._settled < self._total:  # what is being sent matters more
            return
        if done:
            self.pause()
            return
        task = None if self._task is None else self._progress.tasks[0]
        if seen == 0 or task is None or (task.total is None) != (total is None):
            self._begin(_ASKING, total or None)
            task = self._progress.tasks[0]
        self._show(_ASKING, seen, count=several(seen), rate=task.speed, total=total)

    def _follow(self, ended: int, total: int) -> None:
        if ended >= total:
            self.pause()
        elif self._task is None or self._progress.tasks[0].description != _FOLLOWING:
            self.pause()
            self._begin(_FOLLOWING, total)
            self._draw(_FOLLOWING, ended)
        else:
            self._draw(_FOLLOWING, ended)

    def _begin(self, description: str, total: int | None) -> None:
        if total == 0:
            return
        if self._task is not None:  # a task can't be given "no total" later on
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(description, total=total, count="", rate="")
        self._progress.start()

    def _draw(self, description: str, done: int) -> None:
        if self._task is not None:
            task = self._progress.tasks[0]
            total = f"{task.total:,.0f}" if task.total is not None else ""
            count = f"{done:{len(total)},}/{total}" if total else several(done)
            self._show(description, done, count=count, rate=task.speed)

    def _show(
        self, description: str, completed: int, *, count: str, rate: float | None, total: int | None = None
    ) -> None:
        self._drawn = time.monotonic()
        if self._task is not None:
            shown = f"{rate:,.0f}/s" if rate else ""
            self._progress.update(
                self._task, total=total, completed=completed, description=description, count=count, rate=shown
            )

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False)

    def _display(self) -> Progress:
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        return Progress(
            SpinnerColumn(style="dim"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="cyan", pulse_style="dim", style="dim"),
            TextColumn("{task.fields[count]}", style="progress.download", markup=False),
            TextColumn("{task.fields[rate]}", style="dim", markup=False),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            expand=True,
            refresh_per_second=_FRAMES_PER_S,
        )


def _doing(cancels: bool) -> str:
    return "cancelling" if cancels else "sending"


def _event_lines(event: Event) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The lines of an event, each a name and fields."""
    match event:
        case Settled():
            from wfdeploy.render.report import result_fields

            for result in event.results:
                yield "settled", result_fields(result)
        case _:
            yield _event_line(event)


def _event_line(event: Reading | Started | Waiting | Listing | Following | Notice) -> tuple[str, Mapping[str, object]]:
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
