"""A result that is updated in place."""

from __future__ import annotations

import io
import signal

import pytest

from wfdeploy.cli import watching
from wfdeploy.cli.output import Output
from wfdeploy.cli.watching import Screen
from wfdeploy.model.event import Listing, Notice, Waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def environ() -> dict[str, str]:
    return {"COLUMNS": "40", "LINES": "5"}


@pytest.fixture
def output(terminal: Terminal, environ: dict[str, str]) -> Output:
    return Output(stdout=terminal, stderr=io.StringIO(), environ=environ)


def frames(terminal: Terminal) -> list[list[str]]:
    """The lines of each frame, without the commands to the terminal."""
    begin, end = watching._BEGIN, watching._END
    parts = terminal.getvalue().split(begin)[1:]
    return [part.partition(end)[0].replace("\x1b[K", "").split("\r\n") for part in parts]


def test_frames_take_each_other_s_place(terminal: Terminal, output: Output) -> None:
    with Screen(output) as screen:
        screen.show(lambda width, height: f"{width} by {height}\n")
        screen.show(lambda *_: "".join(f"line {n}\n" for n in range(9)))
    assert frames(terminal) == [["40 by 5"], [f"line {n}" for n in range(5)]]
    text = terminal.getvalue()
    assert "\x1b[2J" not in text, "a cleared screen flickers"
    assert text.startswith(watching._ENTER)
    assert text.endswith(watching._LEAVE)


def test_a_new_size_is_drawn_at_once(terminal: Terminal, output: Output, environ: dict[str, str]) -> None:
    with Screen(output) as screen:
        screen.show(lambda width, height: f"{width} by {height}\n")
        environ["COLUMNS"] = "60"
        signal.raise_signal(signal.SIGWINCH)
    assert frames(terminal) == [["40 by 5"], ["60 by 5"]]


def test_a_new_size_while_drawing_is_drawn_afterwards(
    terminal: Terminal, output: Output, environ: dict[str, str]
) -> None:
    def render(width: int, height: int) -> str:
        if environ["COLUMNS"] == "40":
            environ["COLUMNS"] = "60"
            signal.raise_signal(signal.SIGWINCH)
        return f"{width} by {height}\n"

    with Screen(output) as screen:
        screen.show(render)
    assert frames(terminal) == [["40 by 5"], ["60 by 5"]]


def test_what_there_is_to_say_stands_in_the_last_line(terminal: Terminal, output: Output) -> None:
    with Screen(output) as screen:
        screen(Notice("too early"))
        screen.show(lambda _, height: "x\n" * height)
        screen(Listing(3, done=False))
        screen(Waiting("rate limit", 0.5))
        screen(Waiting("the rate limit of the server, which is a long story", 20.0))
    assert frames(terminal) == [["x"] * 5, [*["x"] * 4, "waiting 20 s: the rate limit of the ser…"]]


def test_the_screen_is_left_whatever_happens(terminal: Terminal, output: Output) -> None:
    def render(_width: int, _height: int) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Screen(output) as screen:
        screen.show(render)
    assert terminal.getvalue().endswith(watching._LEAVE)


@pytest.mark.parametrize(
    ("environ", "can"), [({}, True), ({"CI": "true"}, False), ({"TERM": "dumb"}, False), ({"CI": ""}, True)]
)
def test_only_a_person_s_terminal_is_redrawn(output: Output, can: bool) -> None:
    assert output.can_redraw is can
    assert not Output(stdout=io.StringIO(), stderr=io.StringIO(), environ={}).can_redraw
