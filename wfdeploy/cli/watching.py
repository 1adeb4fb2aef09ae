"""Run states on a terminal: once, or updated in place until every run has ended."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias

from wfdeploy.cli import signals, surroundings
from wfdeploy.cli.fail_on import also_blocked, matching
from wfdeploy.cli.output import View
from wfdeploy.cli.surroundings import command_line
from wfdeploy.model import fail_state
from wfdeploy.model.address import shell_word
from wfdeploy.model.event import Event, Notice, Waiting
from wfdeploy.model.status import ShownState, none_in
from wfdeploy.operations import status as operation
from wfdeploy.render import status, status_text
from wfdeploy.render.encode import state_line
from wfdeploy.render.terminal import printable
from wfdeploy.render.width import clip

if TYPE_CHECKING:
    from types import FrameType

    from wfdeploy.cli.output import App, Output
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.status import StatusRow
    from wfdeploy.workspace import Workspace

Handler: TypeAlias = "Callable[[int, FrameType | None], object] | int | None"

_SHORT_WAIT_S = 1.0  # not worth a line


class StatusView:
    """How one command line of `wfdeploy status` shows its rows. `everything`: list every run."""

    def __init__(
        self,
        output: Output,
        target: TargetOptions,
        globs: Sequence[str],
        labels: Sequence[str],
        states: Collection[ShownState],
        *,
        everything: bool,
        fail_on: Collection[FailState] | None = None,
    ) -> None:
        self._output = output
        self._target = target
        self._globs, self._labels, self._states = globs, labels, states
        self._everything = everything
        self._fail_on = fail_on
        chosen = [word for label in labels for word in ("--label", label)]
        if states:
            chosen += ["--run-state", ",".join(state.value for state in ShownState if state in states)]
        self._again = " ".join((self.command("status", globs), *map(shell_word, chosen)))

    def failed_on(self, workspace: Workspace, rows: Sequence[StatusRow]) -> Sequence[str] | None:
        """The states of `--fail-on` that these rows are in; None without that option."""
        if self._fail_on is None:
            return None
        found = fail_state.found_in(Counter(row.run_state for row in rows if row.run_state is not None))
        return matching(self._fail_on, also_blocked(workspace, self._fail_on, found))

    def show(
        self, rows: Sequence[StatusRow], now_ms: int, workspace: Workspace, failed_on: Sequence[str] | None = None
    ) -> None:
        """Write the rows, and which version of a shared state they are from."""
        if self._states and not rows:
            self._output.note(none_in(self._states))
        text = list(self.text(rows, now_ms, width=self._output.width)) if rows or not self._states else []
        versions = workspace.state_backend.versions
        text += state_line(workspace.target.state_name, versions, self._output.style)
        self._output.show(status.json_text(rows, versions, failed_on=failed_on), text)

    def text(
        self, rows: Sequence[StatusRow], now_ms: int, *, width: int | None, height: int | None = None
    ) -> Iterator[str]:
        """The lines for so many columns and lines; see `status_text.text`."""
        return status_text.text(
            rows,
            self._output.style,
            width=width,
            height=height,
            everything=self._everything and height is None,
            now_ms=now_ms,
            command=self.command,
            again=self._again,
        )

    def watch(self, app: App, *, interval_s: float) -> Sequence[str] | None:
        """Show rows again and again: in place on a terminal, as lines of JSON, or as text whenever a run has changed.

        What a terminal shows in the end, it keeps in full. Returns `failed_on` of the last rows.
        """
        output = self._output
        rows: Sequence[StatusRow] = ()
        now_ms = 0
        screen = Screen(output) if output.can_redraw else None
        try:
            with screen or nullcontext(), surroundings.opened(app, self._target, listener=screen) as workspace:

                def show(found: Sequence[StatusRow]) -> None:
                    nonlocal rows, now_ms
                    is_news = now_ms == 0 or [_shown_of(row) for row in found] != [_shown_of(row) for row in rows]
                    rows, now_ms = found, workspace.clock.now_ms()
                    if output.view is View.JSON:
                        versions = workspace.state_backend.versions
                        output.payload("".join(status.json_text(found, versions)).replace("\n", "") + "\n")
                    elif screen is not None:
                        screen.show(lambda width, height: "".join(self.text(found, now_ms, width=width, height=height)))
                    elif is_news:
                        self.show(found, now_ms, workspace)
                        output.payload("\n")

                with signals.stop_on_signal() as stopper:
                    operation.watch(
                        workspace,
                        self._globs,
                        self._labels,
                        self._states,
                        interval_s=interval_s,
                        show=show,
                        stop=stopper.flag,
                    )
                return self.failed_on(workspace, rows)
        finally:
            if screen is not None and now_ms:
                self.show(rows, now_ms, workspace)

    def command(self, command: str, arguments: Sequence[str]) -> str:
        flags = [word for word in arguments if word.startswith("--")]
        line = command_line(command, self._target, [word for word in arguments if word not in flags])
        return " ".join((line, *flags))


def _shown_of(row: StatusRow) -> Hashable:
    return row.address, row.status, row.run_state, row.workflow_run_id, row.error, row.tries


_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the other screen, without a cursor, long lines cut
_LEAVE = "\x1b[H\x1b[J\x1b[?7h\x1b[?25h\x1b[?1049l"  # empty: a terminal that has been resized may keep what stood there
_BEGIN, _END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"  # one frame at once, where the terminal can
_END_OF_LINE = "\x1b[K"


class Screen:
    """A result that is updated in place, on the terminal's other screen, so that the scrollback stays as it was.

    A listener too: what there is to say stands in the last line.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._render: Callable[[int, int], str] | None = None
        self._remark = ""
        self._is_drawing = self._is_outdated = False

    def __enter__(self) -> Screen:
        self._output.payload(_ENTER)
        self._former = self._on_resize(lambda *_: self._draw())
        return self

    def __exit__(self, *_: object) -> None:
        self._on_resize(self._former)
        self._output.payload(_LEAVE)

    def __call__(self, event: Event, /) -> None:
        match event:
            case Notice(message):
                self._remark = printable(message)
            case Waiting(why, seconds) if seconds >= _SHORT_WAIT_S:
                self._remark = f"waiting {seconds:.0f} s: {printable(why)}"
            case _:
                return
        self._draw()

    def show(self, render: Callable[[int, int], str]) -> None:
        """Show what is rendered for so many columns and lines, and again when these change."""
        self._render, self._remark = render, ""
        self._draw()

    def _draw(self) -> None:
        # A change of size is heard in the middle of anything, of drawing too.
        self._is_outdated = True
        if self._is_drawing or self._render is None:
            return
        self._is_drawing = True
        try:
            while self._is_outdated:
                self._is_outdated = False
                columns, lines = self._output.size
                shown = self._render(columns, lines - bool(self._remark)).splitlines()[:lines]
                if self._remark:
                    shown = [*shown[: lines - 1], clip(self._remark, columns)]
                self._output.payload(_BEGIN + f"{_END_OF_LINE}\r\n".join((*shown, "")).rstrip("\r\n") + _END)
        finally:
            self._is_drawing = False

    def _on_resize(self, handler: Handler) -> Handler:
        """Set the handler of a change of size; return the one before it."""
        number = getattr(signal, "SIGWINCH", None)  # not on Windows
        if number is None or threading.current_thread() is not threading.main_thread():
            return None
        return signal.signal(number, handler if handler is not None else signal.SIG_DFL)
