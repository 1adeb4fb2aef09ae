"""What a shell offers while a command line is typed.

Names come from the project file, the state and the cache, as they are on disk. Nothing here writes, waits, contacts a
server or complains: what can't be read at once is not offered. What is offered may come from somebody else's files, so
each shell gets it quoted.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from wfdeploy.errors import WfdeployError
from wfdeploy.files.databases import StrangeFileError
from wfdeploy.model.options import TargetOptions

if TYPE_CHECKING:
    import click

MOST = 200
"""Names that are offered at once. Of more, their beginnings are."""

_SECONDS = 0.05
_HIGHEST = "\U0010ffff"
_PART = "part"
"""The type of an item that more has to follow, so that no blank is put behind it."""

_UNREADABLE = (
    WfdeployError,
    StrangeFileError,
    sqlite3.Error,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    RecursionError,
)

Item = CompletionItem[str]


# --- what is offered ---------------------------------------------------------------------------------------------


def environments(ctx: click.Context, incomplete: str) -> list[Item]:
    """The environments of the project file here, if there is a good one."""
    from wfdeploy.model.project import LOCAL
    from wfdeploy.wiring.settings import presumed_places

    declared: tuple[str, ...] = ()
    with suppress(*_UNREADABLE):
        options = TargetOptions(project_file=ctx.params.get("project_file"), environment=LOCAL)
        (project, _) = next(presumed_places(options, os.environ, cwd=Path.cwd()))
        declared = project.environments
    return [Item(name) for name in dict.fromkeys((*declared, LOCAL)) if name.startswith(incomplete)]


def addresses(ctx: click.Context, incomplete: str) -> list[Item]:
    """Addresses, recorded or declared: of groups first, then those within a group."""
    return [Item(name, type="plain" if is_whole else _PART) for name, is_whole in _offer(ctx, incomplete, _narrowed)]


def globs(ctx: click.Context, incomplete: str) -> list[Item]:
    """The same where `*` and `?` stand for any text: in an address, they are written otherwise."""
    if "*" in incomplete or "?" in incomplete:
        return []
    items = addresses(ctx, incomplete)
    return [Item(item.value.replace("*", "%2A").replace("?", "%3F"), type=item.type) for item in items]


def groups(ctx: click.Context, incomplete: str) -> list[Item]:
    """The names of groups, recorded or declared."""
    return [Item(name.removesuffix("/")) for name, _ in _offer(ctx, incomplete, _groups)]


def rollouts(ctx: click.Context, incomplete: str) -> list[Item]:
    """The groups whose rollouts are under way; for their approval, those that wait for one."""
    from wfdeploy.model.blocking import StepGate
    from wfdeploy.state.glimpse import Glimpse

    until = time.monotonic() + _SECONDS
    for _, state in _places(ctx):
        with suppress(*_UNREADABLE), closing(Glimpse(state, until=until)) as glimpse:
            found = [
                name
                for name, progress in glimpse.rollouts().items()
                if ctx.info_name != "approve"
                or (progress.gate is StepGate.APPROVED and progress.approved <= progress.step)
            ]
            return [Item(name) for name in found if name.startswith(incomplete)][:MOST]
    return []


def labels(ctx: click.Context, incomplete: str) -> list[Item]:
    """The labels of the runs that were recorded last."""
    from wfdeploy.state.glimpse import Glimpse

    found: set[str] = set()
    until = time.monotonic() + _SECONDS
    for _, state in _places(ctx):
        with suppress(*_UNREADABLE), closing(Glimpse(state, until=until)) as glimpse:
            found.update(glimpse.labels())
    return [Item(label) for label in sorted(found) if label.startswith(incomplete)][:MOST]


def fields(_ctx: click.Context, incomplete: str) -> list[Item]:
    """Fields of manifests and of the project file, one level at a time."""
    from wfdeploy.documents.explanation import children, find_field

    before, dot, last = incomplete.rpartition(".")
    with suppress(*_UNREADABLE):
        roots = {"": ("spec", "project.spec"), "manifest": ("manifest", "spec"), "project": ("project", "project.spec")}
        parents = [find_field(name)[0] for name in roots.get(before, (before,))]
        names = [child.path.rpartition(".")[2] for parent in parents for child in children(parent)]
        return [Item(f"{before}{dot}{name}") for name in dict.fromkeys(names) if name.startswith(last)]
    return []


def files(_ctx: click.Context, incomplete: str) -> list[Item]:
    """Whatever files the shell itself offers."""
    return [Item(incomplete, type="file")]


def report_files(ctx: click.Context, incomplete: str) -> list[Item]:
    """The formats of reports that the command has; the file is up to whoever types."""
    from wfdeploy.cli.report_formats import AVAILABLE

    words = (f"{format_.value}=" for format_ in AVAILABLE.get(ctx.info_name or "", ()))
    return [Item(word) for word in words if word.startswith(incomplete)]


class _Source(Protocol):
    def next(self, low: str, high: str) -> str | None:
        """The first address from `low` on that is less than `high`."""


def _places(ctx: click.Context) -> Iterator[tuple[Path, Path]]:
    """The root of the project and the state, of each environment that may be meant."""
    from wfdeploy.wiring.settings import presumed_places

    names = {field.name for field in dataclasses.fields(TargetOptions)}
    given = {name: value for name, value in ctx.params.items() if name in names and value is not None}
    with suppress(*_UNREADABLE):
        for project, state in presumed_places(TargetOptions(**given), os.environ, cwd=Path.cwd()):
            yield project.root, state


def _offer(
    ctx: click.Context, incomplete: str, choose: Callable[[_Source, str], list[tuple[str, bool]]]
) -> list[tuple[str, bool]]:
    """What `choose` finds in the first of the places that has something to offer."""
    for root, state in _places(ctx):
        with suppress(*_UNREADABLE), _sources(root, state) as source:
            if found := choose(source, incomplete):
                return found
    return []


@contextmanager
def _sources(root: Path, state: Path) -> Iterator[_Source]:
    from wfdeploy.catalogue.database import Glimpse as Declared
    from wfdeploy.state.glimpse import Glimpse as Recorded

    until = time.monotonic() + _SECONDS
    with ExitStack() as stack:
        opened: list[_Source] = []
        with suppress(*_UNREADABLE):
            opened.append(stack.enter_context(closing(Recorded(state, until=until))))
        with suppress(*_UNREADABLE):
            opened.append(stack.enter_context(closing(Declared(root / ".wfdeploy" / "cache", until=until))))
        yield _Both(opened)


class _Both:
    """Addresses from several places, in one order."""

    def __init__(self, sources: list[_Source]) -> None:
        self._sources = sources

    def next(self, low: str, high: str) -> str | None:
        found = (source.next(low, high) for source in self._sources)
        return min((address for address in found if isinstance(address, str)), default=None)


def _groups(source: _Source, prefix: str) -> list[tuple[str, bool]]:
    return _stems(source, prefix, _group)


def _narrowed(source: _Source, prefix: str) -> list[tuple[str, bool]]:
    """At most `MOST` addresses with this prefix, or else beginnings of all of them; and whether each is an address."""
    if "/" not in prefix:
        stems = _stems(source, prefix, _group)
        if len(stems) != 1:
            return stems[:MOST]
        prefix = stems[0][0]
    found = _stems(source, prefix, str)
    if len(found) <= MOST:
        return found
    ways: list[Callable[[str], str]] = [_entry] if "[" not in prefix else []
    ways += [lambda address, more=more: address[: len(prefix) + more] for more in (3, 2, 1)]  # type: ignore[misc]
    for way in ways:
        found = _stems(source, prefix, way)
        if 1 < len(found) <= MOST:
            break
    return found[:MOST]


def _group(address: str) -> str:
    """The group of an address, with the slash."""
    return address.partition("/")[0] + "/"


def _entry(address: str) -> str:
    """The address up to its key."""
    name, bracket, _ = address.partition("[")
    return name + bracket


def _stems(source: _Source, prefix: str, cut: Callable[[str], str]) -> list[tuple[str, bool]]:
    """The distinct beginnings of the addresses with this prefix, one more than `MOST` at most, and whether each is an
    address itself. Each is looked for right behind the one before, however many addresses share it."""
    found: list[tuple[str, bool]] = []
    low, high = prefix, prefix + _HIGHEST
    while len(found) <= MOST and (address := source.next(low, high)) is not None:
        stem = cut(address)
        found.append((stem, stem == address))
        low = stem + ("\0" if stem == address else _HIGHEST)
    return found


# --- how it is said to each shell ----------------------------------------------------------------------------------


def _is_printable(item: Item) -> bool:
    return item.value.isprintable()


class _Bash(BashComplete):
    """For bash, which only replaces what stands behind the last word break (`:`, `=`, `@`) of a word."""

    source_template = """\
%(complete_func)s() {
    local line type
    COMPREPLY=()
    while IFS= read -r line; do
        type=${line%%%%,*}
        line=${line#*,}
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            part) compopt -o nospace; COMPREPLY+=("$line") ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \
%(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
    _word = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        *words, self._word = _split(line)
        return [_unquoted(word) for word in words[1:]], _unquoted(self._word)

    def format_completion(self, item: Item) -> str:
        if item.type in ("dir", "file") or not self._word:
            return f"{item.type},{_escaped(item.value)}"
        typed = _unquoted(self._word)
        value = _with_option(typed, item.value)
        if self._word[0] in "'\"":
            return f"{item.type},{value}"
        kept = _unquoted(self._word[: _last_break(self._word, os.environ.get("COMP_BREAKS", ""))])
        return f"{item.type},{_escaped(value.removeprefix(kept))}"

    def get_completions(self, args: list[str], incomplete: str) -> list[Item]:
        found = super().get_completions(args, incomplete)
        if self._word[:1] in ("'", '"'):  # within quotes, bash takes a reply as it stands
            unsafe = "'" if self._word[0] == "'" else '"$`\\!'
            return [item for item in found if item.type != "plain" or not set(unsafe) & set(item.value)]
        return found


def _with_option(typed: str, value: str) -> str:
    """A value behind the option that stands in the same word: `--target=VALUE`."""
    option = re.match(r"--[\w-]+=", typed)
    return value if option is None or value.startswith("-") else option[0] + value


def _split(line: str) -> list[str]:
    """The words of a command line as they are typed, quotes and all; the last one may be empty."""
    words = [""]
    quote = ""
    is_escaped = False
    for sign in line:
        if not quote and not is_escaped and sign in " \t\n":
            if words[-1]:
                words.append("")
            continue
        words[-1] += sign
        if is_escaped:
            is_escaped = False
        elif sign == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
    return words


def _unquoted(word: str) -> str:
    """A word without its quotes, of which the last may be open."""
    text = ""
    quote = ""
    signs = iter(word)
    for sign in signs:
        if sign == "\\" and quote != "'":
            text += next(signs, "")
        elif sign in ("'", '"') and quote in ("", sign):
            quote = "" if quote else sign
        else:
            text += sign
    return text


def _last_break(word: str, breaks: str) -> int:
    """Where the part of an unquoted word begins that bash replaces."""
    at = 0
    is_escaped = False
    for index, sign in enumerate(word):
        if is_escaped:
            is_escaped = False
        elif sign == "\\":
            is_escaped = True
        elif sign in breaks and sign not in "'\"":
            at = index + 1
    return at


def _escaped(text: str) -> str:
    return re.sub(r"([^\w%+=:,./@-])", r"\\\1", text)


class _WholeWord(ShellComplete):
    """For shells that replace the whole word, with the option that may stand in it."""

    _word = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, self._word = super().get_completion_args()
        return words, self._word

    def format_completion(self, item: Item) -> str:
        value = item.value if item.type in ("dir", "file") else _with_option(self._word, item.value)
        return super().format_completion(Item(value, type=item.type, help=item.help))


class _Zsh(_WholeWord, ZshComplete):
    """For zsh, which quotes by itself."""

    source_template = (
        ZshComplete.source_template.replace(
            """        elif [[ "$type" == "dir" ]]; then""",
            """        elif [[ "$type" == "part" ]]; then
            partial+=("$key")
        elif [[ "$type" == "dir" ]]; then""",
        )
        .replace("    local -a response\n", "    local -a response partial\n")
        .replace(
            """    if [ -n "$completions" ]; then""",
            """    if [ -n "$partial" ]; then
        compadd -U -V unsorted -S '' -a partial
    fi

    if [ -n "$completions" ]; then""",
        )
    )


class _Fish(_WholeWord, FishComplete):
    """For fish, which quotes by itself."""

    source_template = FishComplete.source_template.replace(
        'string split "," $completion', 'string split -m 1 "," $completion'
    ).replace('if test $metadata[1] = "plain"', "if contains $metadata[1] plain part")


_SHELLS: Mapping[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def script(group: click.Command, shell: str, program: str, variable: str) -> str:
    """The script that makes a shell ask."""
    # Filled in by hand: click's own `source` starts a bash to ask for its version.
    made = _SHELLS[shell](group, {}, program, variable)
    return made.source_template % made.source_vars()


def answer(group: click.Command, context: dict[str, Any], program: str, variable: str, instruction: str) -> str:
    """The answer to a shell's question. Raises: `KeyError`, `ValueError`, `IndexError` for one that no shell asks."""
    shell, _, what = instruction.partition("_")
    if what == "source":
        return script(group, shell, program, variable)
    if what != "complete":
        raise ValueError(instruction)
    asked = _SHELLS[shell](group, context, program, variable)
    items = asked.get_completions(*asked.get_completion_args())
    return "".join(f"{asked.format_completion(item)}\n" for item in items if _is_printable(item))
