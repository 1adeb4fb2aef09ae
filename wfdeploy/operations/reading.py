"""One pass over manifest files: what they declare goes into a catalogue, what is wrong with them is collected."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, cast

from wfdeploy import __version__
from wfdeploy.catalogue.catalogue import Adding, Catalogue, Kept
from wfdeploy.errors import InvalidInput
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.document import Document, Finding, SourceFile
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, DesiredRun, Move
from wfdeploy.operations.project_file import project_document
from wfdeploy.operations.requests import Requests
from wfdeploy.pipeline.expand.input_files import InputFiles, Readers
from wfdeploy.pipeline.expand.references import References, UnknownReferences
from wfdeploy.pipeline.expand.runs import expand, group_of
from wfdeploy.pipeline.identify import fingerprint
from wfdeploy.pipeline.load import places, sources, yaml_docs
from wfdeploy.pipeline.validate import moves as move_rules
from wfdeploy.pipeline.validate import structure
from wfdeploy.pipeline.validate.moves import DeclaredMove
from wfdeploy.pipeline.validate.numbers import number_problems
from wfdeploy.pipeline.validate.remains import remains
from wfdeploy.pipeline.validate.row_schema import RowSchema
from wfdeploy.pipeline.validate.rules import Rules

_DOCUMENT_BITS = 32
"""A run's number is its document's index, shifted by this, plus its own in the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to read. `variables`: None where nothing is known of the project's variables, secrets and moves; `keep`: how
    many requests to hold in memory."""

    project: Project
    paths: Sequence[str] | None
    cwd: Path
    variables: Mapping[str, object] | None
    stdin: Callable[[], bytes]
    keep: int


class Reading:
    """One pass over the files. Problems are collected, never raised: the user wants to see all of them.

    A file that the catalogue knows under the same content and settings is not read again. Unless `thorough`, what is
    declared twice is noticed and not told in full, which takes all files at once (`is_doubtful`).
    """

    def __init__(self, wanted: Wanted, catalogue: Catalogue, *, thorough: bool) -> None:
        self.catalogue = catalogue
        self.requests = Requests(self._again, most=wanted.keep)
        self.diagnostics: list[Diagnostic] = []
        self.found: list[sources.Found] = []
        self.moves: list[DeclaredMove] = []
        self.complete = True
        self._wanted = wanted
        self._project = project = wanted.project
        self._thorough = thorough
        self._problems: list[Diagnostic] = []
        self._findings: list[Finding] = []
        variables = wanted.variables
        self._evaluator = UnknownReferences() if variables is None else References(variables, project.secrets)
        readers = Readers(yaml=_read_yaml, row_rules=RowSchema)
        self._inputs = InputFiles(project.root, project.server.max_message_bytes, readers)
        self._rules = Rules(
            insecure=project.server.insecure_destinations,
            max_message_bytes=project.server.max_message_bytes,
            extreme_variables=any(True for _ in number_problems(variables or {})),
            names=thorough,
        )
        self._whole = variables is not None  # nothing had to be left out of a document
        self._context = self._settings_digest()
        self._digests: list[str] = []  # of the files' content, by position
        self._doubts_in_moves = False
        self._began = (0, 0)  # how many findings there were before the file
        self._looked_at = 0
        self._unsound = False

    @property
    def is_doubtful(self) -> bool:
        """Whether a thorough reading would have more to say."""
        return not self._thorough and (self.catalogue.duplicates or self._doubts_in_moves)

    def read(self) -> None:
        """Read everything."""
        paths = self._wanted.paths
        self.found = self._find(paths)
        self.complete = paths is None or self._covers(self.found)
        for position, entry in enumerate(self.found):
            self._entry(position, entry)
        self._check_own_ids()
        self._check_moves()
        order = {entry.display: number for number, entry in enumerate(self.found)}
        everything = [*self.diagnostics, *self._problems, *places.diagnose([*self._findings, *self._rules.findings])]
        # By file, in the order they were read, then by place; what isn't about a file that was read comes first.
        self.diagnostics = sorted(everything, key=lambda d: (order.get(d.place.file, -1), d.place.line, d.place.column))

    # --- files -----------------------------------------------------------------------------------------------

    def _find(self, paths: Sequence[str] | None) -> list[sources.Found]:
        cwd = self._wanted.cwd
        base = cwd
        if paths is None:
            base, paths = self._project.root, self._project.manifests
        found = sources.find(paths, base=base, cwd=cwd, problems=self._problems)
        if self._project.file is None:
            return found
        own = os.path.realpath(self._project.file)  # it may stand among the manifests, under a name of its own
        return [entry for entry in found if entry.path is None or os.path.realpath(entry.path) != own]

    def _covers(self, found: Sequence[sources.Found]) -> bool:
        """Whether the files found include all of the project's own manifests."""
        aside: list[Diagnostic] = []
        own = sources.find(self._project.manifests, base=self._project.root, cwd=self._wanted.cwd, problems=aside)
        project_file = self._project.file or self._project.root
        have = {os.path.realpath(project_file)} | {
            os.path.realpath(entry.path) for entry in found if entry.path is not None
        }
        return not aside and all(entry.path is not None and os.path.realpath(entry.path) in have for entry in own)

    def _entry(self, position: int, entry: sources.Found) -> None:
        data = self._bytes(entry, self._problems)
        self._digests.append("" if data is None else sha256(data).hexdigest())
        if data is None:
            return
        name = self._name(entry)
        key = self._key(entry, name, self._digests[-1])
        if not self._thorough:
            kept = self.catalogue.cached(key)
            if kept is not None and self._unchanged(kept.reads):
                self._take(kept, position, entry, name)
                return
        source = self._decode(entry, data, self._problems)
        del data
        if source is not None:
            self._file(source, position, None if entry.path is None else key)

    def _bytes(self, entry: sources.Found, problems: list[Diagnostic]) -> bytes | None:
        stdin = self._wanted.stdin() if entry.path is None else None
        return sources.read_bytes(entry, stdin=stdin, problems=problems)

    def _decode(self, entry: sources.Found, data: bytes, problems: list[Diagnostic]) -> SourceFile | None:
        return sources.decode(entry, data, root=self._project.root, cwd=self._wanted.cwd, problems=problems)

    def _name(self, entry: sources.Found) -> str:
        return sources.STDIN if entry.path is None else sources.relative_name(entry.path, self._project.root)

    def _file(self, source: SourceFile, position: int, key: str | None) -> None:
        """Read a file that isn't known. What is sound about it goes into the catalogue, for good if all of it is."""
        before = len(self._problems), len(self._findings), len(self._rules.findings), len(self.moves)
        self._began, self._looked_at, self._unsound = (before[1], before[2]), before[1] + before[2], False
        self._inputs.take()
        documents = 0
        with self.catalogue.adding(position, source.name) as adding:
            for document in yaml_docs.read(source, self._problems):
                documents += 1
                self._document(document, adding, position)
            if not documents and len(self._problems) == before[0]:
                message = "this file declares nothing"
                self._problems.append(
                    Diagnostic(
                        severity=Severity.WARNING, code="empty-file", message=message, place=Place(source.display)
                    )
                )
            said = [
                *self._problems[before[0] :],
                *places.diagnose([*self._findings[before[1] :], *self._rules.findings[before[2] :]]),
            ]
            if all(diagnostic.severity is Severity.WARNING for diagnostic in said):
                adding.draft.key = key
                adding.draft.reads = self._inputs.take()
                adding.draft.notes = {
                    "warnings": [_plain(diagnostic) for diagnostic in said],
                    "moves": [
                        [declared.move.origin, declared.move.to, declared.document.index, declared.path[-1]]
                        for declared in self.moves[before[3] :]
                    ],
                }

    # --- documents -------------------------------------------------------------------------------------------

    def _document(self, document: Document, adding: Adding, position: int) -> None:
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
        for index, move in enumerate(data["spec"].get("moved", ())):
            if move is not None:
                path = ("spec", "moved", index)
                self.moves.append(DeclaredMove(Move(move["from"], move["to"]), document, path))
        adding.group(group_of(data), self._identified(document, position))
        for run, first in adding.take_refused():
            if self._thorough and "[" in run.address:  # the rules have looked at the names of listed runs
                self._problems.append(_declared_twice(run, first))

    def _identified(self, document: Document, position: int) -> Iterator[DesiredRun]:
        """The runs of a document, checked; without an identity once something is wrong with their file."""
        for ordinal, run in expand(document, evaluator=self._evaluator, files=self._inputs, findings=self._findings):
            self._rules.run(document, run.source.entry, run)
            if self._is_unsound():
                yield DesiredRun(run.address, "", "", run.group, run.source)
                continue
            number = (document.index << _DOCUMENT_BITS) + ordinal
            self.requests.remember(position, number, run)
            yield fingerprint.identify(run, position, number)

    def _is_unsound(self) -> bool:
        """Whether an error was found in the file that is being read."""
        count = len(self._findings) + len(self._rules.findings)
        if count != self._looked_at:
            self._looked_at = count
            begin, rules_begin = self._began
            found = (*self._findings[begin:], *self._rules.findings[rules_begin:])
            self._unsound = any(finding.severity is Severity.ERROR for finding in found)
        return self._unsound

    def _again(self, position: int) -> Iterator[tuple[int, DeclaredRun]]:
        """The runs of a file that was read before. Raises: `InvalidInput` when it has changed since."""
        entry = self.found[position]
        problems: list[Diagnostic] = []
        data = self._bytes(entry, problems)
        if data is None or sha256(data).hexdigest() != self._digests[position]:
            message, hint = "this file was changed while it was in use", "run the command again"
            raise InvalidInput(
                [Diagnostic(code="file-changed", message=message, place=Place(entry.display), hint=hint)]
            )
        source = self._decode(entry, data, problems)
        assert source is not None
        for document in yaml_docs.read(source, problems):
            for ordinal, run in expand(document, evaluator=self._evaluator, files=self._inputs, findings=[]):
                yield (document.index << _DOCUMENT_BITS) + ordinal, run

    # --- the cache -------------------------------------------------------------------------------------------

    def _settings_digest(self) -> str:
        """Over all but files that what a manifest declares depends on."""
        project = self._project
        settings = {
            "wfdeploy": __version__,
            "fingerprint": fingerprint.CURRENT,
            "variables": self._wanted.variables,
            "secrets": sorted(project.secrets),
            "maxMessageBytes": project.server.max_message_bytes,
            "insecure": project.server.insecure_destinations,
        }
        return sha256(json.dumps(settings, sort_keys=True, default=repr).encode()).hexdigest()

    def _key(self, entry: sources.Found, name: str, content: str) -> str:
        return sha256("\0".join((self._context, name, entry.display, content)).encode()).hexdigest()

    def _unchanged(self, reads: Mapping[str, str]) -> bool:
        """Whether the files that a manifest names hold what they held."""
        for name, expected in reads.items():
            try:
                with (self._project.root / name).open("rb") as file:
                    if file_digest(file, "sha256").hexdigest() != expected:
                        return False
            except OSError:
                return False
        return True

    def _take(self, kept: Kept, position: int, entry: sources.Found, name: str) -> None:
        self.catalogue.take(kept, position, name)
        self.diagnostics += [_diagnostic(values) for values in kept.notes.get("warnings", ())]
        moves = kept.notes.get("moves", ())
        if moves:
            folder = self._project.root if entry.path is None else entry.path.parent
            source = SourceFile(display=entry.display, name=name, folder=folder, text="")
            for origin, to, document, index in moves:
                stub = Document(source=source, index=document, line=1, data={})
                self.moves.append(DeclaredMove(Move(origin, to), stub, ("spec", "moved", index)))
            self._doubts_in_moves = True  # until they are found to be sound

    # --- across files ----------------------------------------------------------------------------------------

    def _check_own_ids(self) -> None:
        if self._thorough:
            return  # the rules have seen them all
        seen: set[str] = set()
        for run in self.catalogue.with_own_ids():
            assert run.workflow_run_id is not None
            key = run.workflow_run_id
            while key.startswith("wfr_"):
                key = key.removeprefix("wfr_")
            if key in seen:
                self.catalogue.duplicates = True
            seen.add(key)

    def _check_moves(self) -> None:
        if self._project.moved and self._project.file is not None:
            document = project_document(self._project.file, cwd=self._wanted.cwd)
            own = [
                DeclaredMove(move, document, ("spec", "moved", index)) for index, move in enumerate(self._project.moved)
            ]
            self.moves = [*own, *self.moves]
        stubs, self._doubts_in_moves = self._doubts_in_moves, False
        if self.moves:
            named = {name for declared in self.moves for name in (declared.move.origin, declared.move.to)}
            addresses = self.catalogue.find([name for name in named if "/" in name])
            # What couldn't be read may declare what seems not to be declared.
            whole = self._whole and not any(problem.severity is Severity.ERROR for problem in self._problems)
            findings = list(
                move_rules.check(self.moves, addresses, self.catalogue.groups, complete=self.complete and whole)
            )
            if findings and stubs:
                self._doubts_in_moves = True  # their places are not known here
            else:
                self._findings += findings


def _declared_twice(run: DesiredRun, first: DesiredRun) -> Diagnostic:
    return Diagnostic(
        code="duplicate-address",
        message=f"{run.address} is declared already, at {first.source}",
        place=run.source.place,
        address=run.address,
        hint="give every run a key of its own",
    )


def _read_yaml(source: SourceFile) -> tuple[list[object], list[Diagnostic]]:
    """The documents of a YAML file that is no manifest, and what is wrong with it."""
    problems: list[Diagnostic] = []
    return [document.data for document in yaml_docs.read(source, problems)], problems


def _plain(diagnostic: Diagnostic) -> dict[str, object]:
    place = diagnostic.place
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "place": [place.file, place.line, place.column],
        "address": diagnostic.address,
        "hint": diagnostic.hint,
        "excerpt": diagnostic.excerpt,
    }


def _diagnostic(values: Mapping[str, Any]) -> Diagnostic:
    return Diagnostic(**{**values, "severity": Severity(values["severity"]), "place": Place(*values["place"])})
