"""Manifests as the other use cases want them: every stage from files to declared runs, strung together."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.document import Document, Finding, SourceFile
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, Group, Move
from wfdeploy.operations.project_file import load_project, project_document
from wfdeploy.pipeline.expand.body_files import BodyFiles
from wfdeploy.pipeline.expand.expressions import OPENING, References, UnknownReferences, is_variable_name
from wfdeploy.pipeline.expand.runs import expand, group_of
from wfdeploy.pipeline.load import places, sources, yaml_docs
from wfdeploy.pipeline.validate import moves as move_rules
from wfdeploy.pipeline.validate import structure
from wfdeploy.pipeline.validate.moves import DeclaredMove
from wfdeploy.pipeline.validate.numbers import number_problems
from wfdeploy.pipeline.validate.remains import remains
from wfdeploy.pipeline.validate.rules import Rules

__all__ = ["Manifests", "load_manifests", "load_project", "validate", "validate_presuming"]

_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What the loaded manifests declare.

    `runs` are sorted by address (code points). `moved` are those of the project file and of the groups. `files` are
    the names of the files that were read, as a user would type them. `complete`: nothing of the project's own
    manifests was left out, so a group that isn't here is gone.
    """

    runs: Sequence[DeclaredRun]
    groups: Mapping[str, Group]
    moved: tuple[Move, ...] = ()
    files: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    complete: bool = True


def load_manifests(
    project: Project,
    paths: Sequence[str] | None = None,
    *,
    variables: Mapping[str, str] = _NONE,
    defaults: Mapping[str, object] = _NONE,
    stdin: bytes | Callable[[], bytes] | None = None,
    cwd: Path | None = None,
) -> Manifests:
    """Read, check and expand manifests: those at `paths` (relative to `cwd`; `-` is `stdin`), else the project's.

    `variables` (`--var`) beat the project's, `defaults` are beaten by all. `cwd` is the working directory unless given.

    Raises: `InvalidInput` with everything that is wrong with any of the files; `UsageError` for a bad variable.
    """
    loading = _loading(project, variables=variables, defaults=defaults, stdin=stdin, cwd=cwd)
    manifests, diagnostics = loading.load(paths or None)
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
    if errors:
        raise InvalidInput(errors)
    return manifests


def validate(
    project: Project,
    paths: Sequence[str] | None = None,
    *,
    variables: Mapping[str, str] = _NONE,
    defaults: Mapping[str, object] = _NONE,
    stdin: bytes | Callable[[], bytes] | None = None,
    cwd: Path | None = None,
) -> tuple[Diagnostic, ...]:
    """The same, giving back all that is to say about the files, warnings included. Raises: `UsageError`."""
    loading = _loading(project, variables=variables, defaults=defaults, stdin=stdin, cwd=cwd)
    return tuple(loading.load(paths or None)[1])


def validate_presuming(
    project: Project,
    paths: Sequence[str] | None = None,
    *,
    stdin: bytes | Callable[[], bytes] | None = None,
    cwd: Path | None = None,
) -> tuple[Diagnostic, ...]:
    """What is to say about manifests while the project file is wrong: nothing that rests on what may stand there."""
    loading = _Loading(project, (cwd or Path.cwd()).absolute(), None, stdin)
    return tuple(loading.load(paths or None)[1])


def _loading(
    project: Project,
    *,
    variables: Mapping[str, str],
    defaults: Mapping[str, object],
    stdin: bytes | Callable[[], bytes] | None,
    cwd: Path | None,
) -> _Loading:
    _check_variables(variables)
    merged = {**defaults, **project.vars, **variables}
    return _Loading(project, (cwd or Path.cwd()).absolute(), merged, stdin)


class _Loading:
    """One pass over manifests. Problems are collected, never raised: the user wants to see all of them."""

    def __init__(
        self,
        project: Project,
        cwd: Path,
        variables: Mapping[str, object] | None,
        stdin: bytes | Callable[[], bytes] | None,
    ) -> None:
        """`variables`: None where nothing is known of the project's variables, secrets and moves."""
        self._project = project
        self._cwd = cwd
        self._stdin = stdin
        self._problems: list[Diagnostic] = []
        self._findings: list[Finding] = []
        self._evaluator = UnknownReferences() if variables is None else References(variables, project.secrets)
        self._files = BodyFiles(project.root, project.server.max_message_bytes)
        self._rules = Rules(
            insecure=project.server.insecure_destinations,
            max_message_bytes=project.server.max_message_bytes,
            extreme_variables=any(True for _ in number_problems(variables or {})),
        )
        self._runs: list[DeclaredRun] = []
        self._groups: dict[str, Group] = {}
        self._moves: list[DeclaredMove] = []
        self._whole = variables is not None  # nothing had to be left out of a document

    def load(self, paths: Sequence[str] | None) -> tuple[Manifests, list[Diagnostic]]:
        with _collector_at_rest():
            return self._load(paths)

    def _load(self, paths: Sequence[str] | None) -> tuple[Manifests, list[Diagnostic]]:
        found = self._find(paths)
        complete = paths is None or self._covers(found)
        for entry in found:
            stdin = self._stdin() if entry.path is None and callable(self._stdin) else self._stdin
            source = sources.read(
                entry,
                root=self._project.root,
                cwd=self._cwd,
                stdin=cast("bytes | None", stdin),
                problems=self._problems,
            )
            if source is not None:
                self._file(source)
        self._findings += self._rules.findings
        self._check_moves(complete=complete)
        diagnostics = self._in_order([*self._problems, *places.diagnose(self._findings)], found)
        self._runs.sort(key=lambda run: run.address)
        manifests = Manifests(
            runs=self._runs,
            groups=self._groups,
            moved=tuple(declared.move for declared in self._moves),
            files=tuple(entry.display for entry in found),
            warnings=tuple(d for d in diagnostics if d.severity is Severity.WARNING),
            complete=complete,
        )
        return manifests, diagnostics

    def _find(self, paths: Sequence[str] | None) -> list[sources.Found]:
        if paths is None:
            base, paths = self._project.root, self._project.manifests
        else:
            base = self._cwd
        found = sources.find(paths, base=base, cwd=self._cwd, problems=self._problems)
        if self._project.file is None:
            return found
        own = os.path.realpath(self._project.file)  # it may stand among the manifests, under a name of its own
        return [entry for entry in found if entry.path is None or os.path.realpath(entry.path) != own]

    def _covers(self, found: Sequence[sources.Found]) -> bool:
        """Whether the files found include all of the project's own manifests."""
        aside: list[Diagnostic] = []
        own = sources.find(self._project.manifests, base=self._project.root, cwd=self._cwd, problems=aside)
        project_file = self._project.file or self._project.root
        have = {os.path.realpath(project_file)} | {
            os.path.realpath(entry.path) for entry in found if entry.path is not None
        }
        return not aside and all(entry.path is not None and os.path.realpath(entry.path) in have for entry in own)

    def _file(self, source: SourceFile) -> None:
        before = len(self._problems)
        documents = 0
        for document in yaml_docs.read(source, self._problems):
            documents += 1
            self._document(document)
        if not documents and len(self._problems) == before:
            self._problems.append(
                Diagnostic(
                    severity=Severity.WARNING,
                    code="empty-file",
                    message="this file declares nothing",
                    place=Place(source.display),
                )
            )

    def _document(self, document: Document) -> None:
        self._rules.group(document)
        findings = structure.check(document, "manifest")
        if findings:
            self._findings += findings
            self._whole = False
            rest = remains(document, findings)
            if rest is None:
                return
            document = rest
        data = cast("Mapping[str, Any]", document.data)
        group = group_of(data)
        self._groups.setdefault(group.name, group)
        for index, move in enumerate(data["spec"].get("moved", ())):
            if move is not None:
                path = ("spec", "moved", index)
                self._moves.append(DeclaredMove(Move(move["from"], move["to"]), document, path))
        for index, run in expand(document, evaluator=self._evaluator, files=self._files, findings=self._findings):
            self._rules.run(document, index, run)
            self._runs.append(run)

    def _check_moves(self, *, complete: bool) -> None:
        if self._project.moved and self._project.file is not None:
            document = project_document(self._project.file, cwd=self._cwd)
            own = [
                DeclaredMove(move, document, ("spec", "moved", index)) for index, move in enumerate(self._project.moved)
            ]
            self._moves = [*own, *self._moves]
        if self._moves:
            addresses = {run.address for run in self._runs}
            # What couldn't be read may declare what seems not to be declared.
            whole = self._whole and not any(problem.severity is Severity.ERROR for problem in self._problems)
            self._findings += move_rules.check(self._moves, addresses, self._groups, complete=complete and whole)

    @staticmethod
    def _in_order(diagnostics: list[Diagnostic], found: Sequence[sources.Found]) -> list[Diagnostic]:
        """By file, in the order they were read, then by place; what isn't about a file that was read comes first."""
        order = {entry.display: number for number, entry in enumerate(found)}
        return sorted(diagnostics, key=lambda d: (order.get(d.place.file, -1), d.place.line, d.place.column))


def _check_variables(variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        if not is_variable_name(name):
            raise UsageError(
                f"--var {name}: not a variable name", hint="letters, digits and underscores, as in app_url"
            )
        if OPENING in value:
            raise UsageError(f"--var {name}: a variable's value can't hold expressions")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"--var {name}: the value is not valid UTF-8") from error


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector from scanning, again and again, data that is all alive.

    Measured on 100,000 small runs: about a tenth less CPU time, the same peak memory.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
