"""The only writer: the result of a command to standard output, everything else to standard error."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TextIO

from wfdeploy.errors import SystemRefused
from wfdeploy.render.terminal import Style, Tone, json_safe, plain, printable_lines, without_commands

_COLUMNS, _LINES = 100, 24
"""The size of a terminal that doesn't tell."""

_ANSI = {
    Tone.GOOD: "32",
    Tone.CHANGED: "33",
    Tone.BAD: "31",
    Tone.CALM: "36",
    Tone.FAINT: "2",
    Tone.STRONG: "1",
}


class ColorMode(Enum):
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class LogFormat(Enum):
    TEXT = "text"
    JSON = "json"


class View(Enum):
    """The format of a command's result."""

    TEXT = "text"
    JSON = "json"


class Output:
    """Standard output and error under one policy.

    Names of files and answers of a server must not become a command of the CI job that shows them. Nothing shows
    reliably that there is a CI job: its variables don't get through `docker run`, `sudo` and the like, but the output
    does.

    Made before the command line is read, so that a complaint about the command line follows the same policy as far
    as it was understood; the options set the attributes. `verbosity`: -1 hides progress and notes, -2 warnings too,
    1 and more show details.
    """

    def __init__(
        self,
        *,
        stdout: TextIO,
        stderr: TextIO,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._environ = environ
        self._now = now
        self.color = ColorMode.AUTO
        self.log_format = LogFormat.TEXT
        self.view = View.TEXT
        self.verbosity = 0

    # --- the result of a command ---

    def payload(self, chunks: str | Iterable[str]) -> None:
        """Write the command's result. A reader that went away (`| head`) doesn't change what the command did."""
        try:
            for chunk in (chunks,) if isinstance(chunks, str) else chunks:
                self._stdout.write(without_commands(chunk))
            self._stdout.flush()
        except OSError as error:
            _mute(self._stdout)
            if error.errno != errno.EPIPE:
                raise SystemRefused(
                    f"can't write to standard output: {error.strerror or error}",
                    hint="what the command did stands; only the rest of its result is lost",
                ) from error

    def show(self, json: str | Iterable[str], text: str | Iterable[str]) -> None:
        """Write the command's result in the requested format."""
        self.payload(json if self.view is View.JSON else text)

    # --- everything else ---

    def note(self, message: str) -> None:
        """Something worth knowing; hidden by -q."""
        if self.verbosity >= 0:
            self._log("info", message)

    def detail(self, message: str) -> None:
        """Something for those who look closer (-v)."""
        if self.verbosity >= 1:
            self._log("debug", message)

    def warn(self, message: str, hint: str | None = None) -> None:
        """Something that is probably not meant; hidden by -qq."""
        if self.verbosity >= -1:
            self._log("warning", message, hint)

    def error(self, message: str, hint: str | None = None, **fields: object) -> None:
        """Why the command didn't do what it was asked; never hidden."""
        self._log("error", message, hint, fields)

    def block(self, text: str, *, always: bool = False) -> None:
        """Rendered text for a person (a plan before the question); left out of a JSON log."""
        if (self.verbosity >= 0 or always) and self.log_format is LogFormat.TEXT:
            self._write_error(text)

    def workflow_command(self, command: str) -> None:
        """Write a command for the runner of the CI job (`::error file=...`), which nothing else can write. Raises:
        `ValueError` for more than one line, of which the others could be anybody's."""
        if not command.startswith("::") or command.splitlines() != [command]:
            raise ValueError("not one command")
        try:
            self._stderr.write(f"{command}\n")
            self._stderr.flush()
        except (OSError, ValueError):
            _mute(self._stderr)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """One line of a JSON log; nothing in a text log."""
        if self.log_format is LogFormat.JSON and self.verbosity >= 0:
            self._write_json({"level": "info", "event": name, **fields})

    def ask(self, question: str) -> bool:
        """Ask on standard error; only `y` or `yes` is a yes, and so an end of input is a no."""
        return self.answer(f"{question} [y/N]").lower() in ("y", "yes")

    def answer(self, question: str) -> str:
        """Ask for a line of text on standard error; an end of input is an empty one."""
        _drop_type_ahead(sys.stdin)
        self._write_error(f"{question} ")
        try:
            answer = sys.stdin.readline()
        except BaseException:  # a signal: its message begins on a line of its own
            self._write_error("\n")
            raise
        if not answer.endswith("\n"):
            self._write_error("\n")
        return answer.strip()

    # --- what kind of place this is ---

    @property
    def style(self) -> Style:
        """The style of text for standard output."""
        return self._style_of(self._stdout)

    @property
    def error_style(self) -> Style:
        """The style of text for standard error."""
        return self._style_of(self._stderr)

    @property
    def width(self) -> int | None:
        """Columns of the terminal behind standard output; None for a file or a pipe."""
        return self._width_of(self._stdout)

    @property
    def error_width(self) -> int | None:
        """Columns of the terminal behind standard error; None for a file or a pipe."""
        return self._width_of(self._stderr)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal behind standard output, as they are now."""
        return self._size_of(self._stdout)

    @property
    def error_stream(self) -> TextIO:
        """Standard error itself, for the live progress display."""
        return self._stderr

    @property
    def can_animate(self) -> bool:
        """True where a line may be redrawn: a person's terminal, not a CI log that keeps every frame."""
        return (
            _is_terminal(self._stderr)
            and not self._environ.get("CI")
            and self._environ.get("TERM") != "dumb"
            and self.log_format is LogFormat.TEXT
            and self.verbosity >= 0
        )

    @property
    def can_redraw(self) -> bool:
        """True where a result may be updated in place."""
        return (
            _is_terminal(self._stdout)
            and not self._environ.get("CI")
            and self._environ.get("TERM") != "dumb"
            and self.view is View.TEXT
        )

    @property
    def can_ask(self) -> bool:
        """True when somebody is there to answer."""
        return _is_terminal(sys.stdin)

    # --- the inside ---

    def _style_of(self, stream: TextIO) -> Style:
        if self.color is ColorMode.NEVER:
            return plain
        if self.color is ColorMode.AUTO and not (
            _is_terminal(stream) and not self._environ.get("NO_COLOR") and self._environ.get("TERM") != "dumb"
        ):
            return plain
        return _ansi

    def _width_of(self, stream: TextIO) -> int | None:
        return self._size_of(stream)[0] if _is_terminal(stream) else None

    def _size_of(self, stream: TextIO) -> tuple[int, int]:
        """Columns and lines of a terminal. Asked anew each time: its window may change."""
        try:
            size = os.get_terminal_size(stream.fileno())
        except OSError:
            size = os.terminal_size((0, 0))
        named = (self._environ.get(name, "") for name in ("COLUMNS", "LINES"))
        columns, lines = (int(text) if text.isdecimal() and len(text) < 6 else 0 for text in named)
        return columns or size.columns or _COLUMNS, lines or size.lines or _LINES

    def _log(
        self, level: str, message: str, hint: str | None = None, fields: Mapping[str, object] | None = None
    ) -> None:
        if self.log_format is LogFormat.JSON:
            entry: dict[str, object] = {"level": level, "message": message}
            if hint is not None:
                entry["hint"] = hint
            self._write_json({**entry, **(fields or {})})
            return
        style = self.error_style
        match level:
            case "error":
                prefix = style("error:", Tone.BAD) + " "
            case "warning":
                prefix = style("warning:", Tone.CHANGED) + " "
            case _:
                prefix = ""
        self._write_error(f"{prefix}{printable_lines(message)}\n")
        if hint is not None:
            self._write_error(f"{style('hint:', Tone.CALM)} {printable_lines(hint)}\n")

    def _write_json(self, fields: Mapping[str, object]) -> None:
        import json

        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._now()))
        millis = int(self._now() * 1000) % 1000
        entry = {"time": f"{stamp}.{millis:03d}Z", **fields}
        self._write_error(json_safe(json.dumps(entry, ensure_ascii=False, default=str)) + "\n")

    def _write_error(self, text: str) -> None:
        # Nobody reads it any more, which must not stop the work that it is about.
        try:
            self._stderr.write(without_commands(text))
            self._stderr.flush()
        except (OSError, ValueError):
            _mute(self._stderr)


class App:
    """One invocation of the program.

    `environ`: the process environment, read here and nowhere else. `arguments`: the command line, for the state's
    lock and for reports. `concealed`: secret values met so far; a report of an unexpected error leaves them out.
    """

    def __init__(self, *, output: Output, environ: Mapping[str, str]) -> None:
        self.output = output
        self.environ = environ
        self.arguments: tuple[str, ...] = ()
        self.concealed: set[str] = set()


def _ansi(text: str, tone: Tone, /) -> str:
    return f"\x1b[{_ANSI[tone]}m{text}\x1b[0m" if text else text


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _drop_type_ahead(stream: TextIO) -> None:
    """Consent is given to what was shown: a key that was pressed before doesn't count."""
    try:
        import termios

        termios.tcflush(stream.fileno(), termios.TCIFLUSH)
    except (ImportError, OSError, ValueError):  # no terminal, or no POSIX
        pass
    except termios.error:
        pass


def _mute(stream: TextIO) -> None:
    """Let later writes and the flush at exit go nowhere instead of failing again."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass
