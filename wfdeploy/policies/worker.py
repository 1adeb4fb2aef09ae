"""Evaluates expressions for `evaluation.py`, which starts this as a process of its own.

A pull request can bring any expression. The library bounds the steps of loops, but not how long a comparison of nested
lists takes, nor how large a text becomes; and nothing interrupts it. So here the processor time and the memory are
bounded by the system, and where a bound is reached this process dies, and no other.

    python -P -m wfdeploy.policies.worker SECONDS BYTES

SECONDS are those of the processor for one request. It reads requests and writes answers, one JSON value a line:

    {"rules": [[scope, expression, message expression or null], ...]}
        -> [[rule, is the message's, error], ...]
    {"scope": ..., "rules": [number, ...], "shared": {...}, "subjects": [[{...}, [[hidden path], ...]], ...]}
        -> a number before each rule, then [[subject, rule, verdict, text], ...]
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from cel_expr_python import cel

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "run": ("run", "group", "environment"),
    "group": ("group", "environment"),
    "change": ("change", "plan", "environment", "actor", "now"),
    "plan": ("plan", "environment", "actor", "now"),
}
"""The variables of each scope."""

VIOLATED, FAILED = "violated", "failed"
"""Verdicts: the expression gave false; it gave no answer."""

_LONGEST_MESSAGE = 1000


class _Program(Protocol):
    def eval(self, *, data: Mapping[str, Any]) -> Any: ...


def main() -> None:
    """Answer requests until there are no more."""
    seconds, memory = map(int, sys.argv[1:])
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    programs: list[tuple[_Program | None, _Program | None]] = []
    for line in sys.stdin:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)
        request = json.loads(line)
        if "scope" in request:
            _write(list(_evaluated(request, programs)))
            continue
        errors: list[object] = []
        for number, (scope, *expressions) in enumerate(request["rules"]):
            environment = _environment(scope)
            compiled = [_compiled(environment, text, is_message=bool(at)) for at, text in enumerate(expressions)]
            errors += ([number, bool(at), one] for at, one in enumerate(compiled) if isinstance(one, str))
            first, second = (None if isinstance(one, str) else one for one in compiled)
            programs.append((first, second))
        _write(errors)


def _limit(which: int, amount: int) -> None:
    """Limit a resource of this process, within what it may have anyway."""
    _, most = resource.getrlimit(which)
    resource.setrlimit(which, (amount if most == resource.RLIM_INFINITY else min(amount, most), most))


def _environment(scope: str) -> Any:
    fields = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    types = {name: cel.Type.TIMESTAMP if name == "now" else fields for name in VARIABLES[scope]}
    return cel.NewEnv(variables=types)


def _compiled(environment: Any, text: str | None, *, is_message: bool) -> _Program | str | None:
    """A program, or why there is none."""
    if text is None:
        return None
    try:
        program = environment.compile(text)
    except (RuntimeError, ValueError) as error:
        return str(error)
    wanted = cel.Type.STRING if is_message else cel.Type.BOOL
    if program.return_type() not in (wanted, cel.Type.DYN):
        gives = program.return_type().name().lower()
        return f"ERROR: <input>:1:1: it gives {gives}, and must give {wanted.name().lower()}"
    result: _Program = program
    return result


def _evaluated(
    request: Mapping[str, Any], programs: Sequence[tuple[_Program | None, _Program | None]]
) -> Iterator[tuple[int, int, str, str]]:
    shared = dict(request["shared"])
    if "now" in shared:
        shared["now"] = datetime.fromtimestamp(shared["now"], UTC)
    for number in request["rules"]:
        _write(number)  # if this process dies, the reader knows at which rule
        program, message = programs[number]
        assert program is not None
        for position, (subject, hidden) in enumerate(request["subjects"]):
            data = {**shared, **subject}
            given, text = _value(program, data, bool)
            if given is True:
                continue
            if given is None:
                yield position, number, FAILED, text[:_LONGEST_MESSAGE]
                continue
            shown = None if message is None else _value(message, _without(data, hidden), str)[0]
            yield position, number, VIOLATED, "" if shown is None else str(shown)[:_LONGEST_MESSAGE]


def _value(program: _Program, data: Mapping[str, Any], kind: type) -> tuple[object, str]:
    """What an expression gives, or None and why that can't be used."""
    try:
        value = program.eval(data=data)
    except (RuntimeError, ValueError) as error:
        return None, str(error)
    given = value.value()
    if value.type() == cel.Type.ERROR:
        return None, str(given)
    if type(given) is not kind:
        return None, f"it gives {value.type().name().lower()}"
    return given, ""


def _without(data: Mapping[str, Any], hidden: Sequence[Sequence[str]]) -> Mapping[str, Any]:
    """The data without what must not be shown."""
    for path in hidden:
        data = _dropped(data, path)
    return data


def _dropped(data: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    name, *below = path
    if name not in data:
        return data
    if not below:
        return {key: value for key, value in data.items() if key != name}
    return {**data, name: _dropped(data[name], below)}


def _write(value: object) -> None:
    answers = sys.stdout.buffer  # a pipe, and no terminal
    answers.write(json.dumps(value).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
