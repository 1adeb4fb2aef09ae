"""Evaluate policies in a process of their own, whose time and memory are bounded (`worker.py`)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from wfdeploy.errors import InvalidInput
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.policy import PolicyRule, PolicyScope
from wfdeploy.policies.places import at_expression, at_rule

_BATCH = 500
"""Subjects in one request."""

_ENVIRON = ("PATH", "HOME", "LANG", "PYTHON", "LC_", "LD_", "DYLD_")
"""What the names of variables begin with that the process gets. It must not have secrets: it reads what a pull request
wrote."""

_ENOUGH_S = 5
"""Seconds of processor time for a batch: a hundred times what policies need."""

_MEMORY = 1 << 30

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")

T = TypeVar("T")


class Verdict(Enum):
    """What is wrong with a subject; the values are those of `worker.py`."""

    VIOLATED = "violated"
    FAILED = "failed"


class Finding(NamedTuple):
    """A rule that a subject doesn't satisfy. `text`: of the message's expression, or why there was no answer."""

    rule: PolicyRule
    verdict: Verdict
    text: str


class Subject(NamedTuple):
    """What an expression is evaluated for.

    data: variables and their values, as JSON has them.
    hidden: paths of what a message must not show.
    """

    data: Mapping[str, object]
    hidden: Sequence[Sequence[str]] = ()


class Evaluator:
    """Evaluates the rules of a command; to be closed.

    cwd: what the files of rules are shown relative to.
    seconds: of processor time, for some hundreds of subjects.

    Raises: `InvalidInput` where an expression is wrong, takes too much time or memory, or the extra isn't installed.
    """

    def __init__(self, rules: Sequence[PolicyRule], *, cwd: Path, seconds: int = _ENOUGH_S) -> None:
        self._rules = rules
        self._cwd = cwd
        if rules and importlib.util.find_spec("cel_expr_python") is None:
            raise InvalidInput(
                [
                    at_rule(
                        rules[0],
                        cwd=cwd,
                        code="missing-extra",
                        message="policies need the extra 'policy'",
                        hint="install it: pip install 'wfdeploy[policy]'",
                    )
                ]
            )
        # Never from the working directory (-P), which may be a checkout.
        self._process = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-P", "-m", "wfdeploy.policies.worker", str(seconds), str(_MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name.startswith(_ENVIRON)},
            start_new_session=True,  # ^C is for this process, which then closes that one
        )
        try:
            self._compile()
        except BaseException:
            self.close()
            raise

    def evaluate(
        self, scope: PolicyScope, shared: Mapping[str, object], subjects: Iterable[tuple[T, Subject]]
    ) -> Iterator[tuple[T, Finding]]:
        """Yield what is wrong with each subject, with what came with it.

        shared: variables that all of them have. Raises: `InvalidInput`.
        """
        numbers = [number for number, rule in enumerate(self._rules) if rule.scope is scope]
        remaining = iter(subjects)
        while numbers and (batch := list(islice(remaining, _BATCH))):
            request = {
                "scope": scope.value,
                "rules": numbers,
                "shared": shared,
                "subjects": [(subject.data, subject.hidden) for _, subject in batch],
            }
            for position, number, verdict, text in self._ask(request):
                yield batch[position][0], Finding(self._rules[number], Verdict(verdict), _plain(text))

    @property
    def pid(self) -> int:
        """Of the process that evaluates."""
        return self._process.pid

    def close(self) -> None:
        """End the process."""
        process = self._process
        process.kill()
        with suppress(OSError):
            process.communicate()

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _compile(self) -> None:
        request = {"rules": [(rule.scope.value, rule.expression, rule.message_expression) for rule in self._rules]}
        problems: list[Diagnostic] = []
        for number, is_message, error in self._ask(request):
            rule = self._rules[number]
            places = _ERROR.findall(error) or [("1", "1", error)]
            line, column, message = places[0]  # those after it mostly follow from it
            problems.append(
                at_expression(
                    rule,
                    cwd=self._cwd,
                    is_message=is_message,
                    line=int(line),
                    column=int(column),
                    message=f"this expression of the policy {rule.name} is wrong: {_plain(message)}",
                )
            )
        if problems:
            raise InvalidInput(problems)

    def _ask(self, request: Mapping[str, object]) -> Sequence[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        rule: int | None = None
        with suppress(BrokenPipeError):  # it has ended, and so has its output
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            answer = json.loads(line)
            if isinstance(answer, list):
                return answer
            rule = answer
        why = "time" if self._process.wait() == -signal.SIGXCPU else "memory"
        about = "an expression of the policies" if rule is None else f"the policy {self._rules[rule].name}"
        raise InvalidInput(
            [
                at_rule(
                    self._rules[rule or 0],
                    cwd=self._cwd,
                    code="policy-too-costly",
                    message=f"{about} needs too much {why}",
                    hint="make it simpler",
                )
            ]
        )


def _plain(message: str) -> str:
    return _STATUS.sub("", message).replace(" (in container '')", "")
