"""Manifest files into runs: parsed, checked, expanded. A command whose files are all known doesn't come here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from wfdeploy.catalogue.catalogue import Adding
from wfdeploy.errors import InvalidInput
from wfdeploy.model.alike import DeclaredAlike, DesiredAlike
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.document import DeclaredMove, Document, Finding, SourceFile
from wfdeploy.model.event import Reading
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, DesiredRun, Move, Source
from wfdeploy.model.shard import Shard
from wfdeploy.operations.requests import Remember
from wfdeploy.pipeline.expand.data.streams import MAX_LINE_BYTES
from wfdeploy.pipeline.expand.groups import group_of
from wfdeploy.pipeline.expand.input_files import InputFiles, Readers
from wfdeploy.pipeline.expand.references import References, UnknownReferences
from wfdeploy.pipeline.expand.runs import expand, expand_together
from wfdeploy.pipeline.identify.fingerprint import identify, identify_together
from wfdeploy.pipeline.identify.run_ids import place_of, places_of
from wfdeploy.pipeline.load import parts, places, yaml_docs
from wfdeploy.pipeline.validate import structure
from wfdeploy.pipeline.validate.numbers import number_problems
from wfdeploy.pipeline.validate.remains import remains
from wfdeploy.pipeline.validate.row_schema import RowSchema
from wfdeploy.pipeline.validate.rules import Rules
from wfdeploy.ports import Listener

_DOCUMENT_BITS = 32
"""A run's number is its document's index, shifted by this, plus its own in the document."""


_TOLD_EVERY = 5000


class Parsing:
    """Takes the files of one reading, one after the other.

    `variables`: None where nothing is known of the project's variables, secrets and moves. `shard`: the part of the
    runs that is kept; all are checked. `names`: also tell what is declared twice, across files. `sizes`: the bytes of
    the manifests before the one that is read, of that one, and of all.
    """

    def __init__(
        self,
        project: Project,
        variables: Mapping[str, object] | None,
        *,
        shard: Shard | None,
        names: bool,
        listener: Listener,
        sizes: Callable[[], tuple[int, int, int]],
    ) -> None:
        self.moves: list[DeclaredMove] = []
        self.whole = variables is not None
        """Whether nothing had to be left out of a document."""
        self._names = names
        self._project = project
        self._shard = shard
        most = min(project.server.max_message_bytes, MAX_LINE_BYTES)  # the first stands in the checkout
        self._evaluator = (
            UnknownReferences() if variables is None else References(variables, project.secrets, most=most)
        )
        readers = Readers(yaml=_read_yaml, row_rules=RowSchema)
        self._inputs = InputFiles(project.root, project.server.max_message_bytes, readers, project.bounds)
        self._rules = Rules(
            insecure=project.server.insecure_destinations,
            max_message_bytes=project.server.max_message_bytes,
            extreme_variables=any(True for _ in number_problems(variables or {})),
            names=names,
        )
        self._listener = listener
        self._sizes = sizes
        self._lines = 1  # of the file that is read
        self._count = 0
        self._problems: list[Diagnostic] = []
        self._findings: list[Finding] = []
        self._looked_at = 0
        self._unsound = False

    def file(
        self, source: SourceFile, position: int, adding: Adding, remember: Remember, part: parts.Part | None = None
    ) -> list[Diagnostic]:
        """Read the `position`th file into an entry of the catalogue, and say what there is to say about it.
        `remember` is given the runs. With a `part`, of that part alone: whatever is said then, says that the file is to
        be read as a whole.

        Only where that holds no error, the entry's runs have identities. Its `reads` are filled in.
        """
        self._problems, self._findings = [], self._rules.findings
        self._findings.clear()
        self._looked_at, self._unsound = 0, False
        self._inputs.take()
        self._lines = source.text.count("\n") + 1
        documents = 0
        for document in parts.read_whole(source, self._problems) if part is None else parts.read_part(source, part):
            documents += 1
            self._document(document, adding, position, remember)
        if not documents and not self._problems:
            message, place = "this file declares nothing", Place(source.display)
            self._problems.append(
                Diagnostic(severity=Severity.WARNING, code="empty-file", message=message, place=place)
            )
        adding.draft.reads = self._inputs.take()
        return [*self._problems, *places.diagnose(self._findings)]

    def end(self) -> None:
        """All files are read."""
        if self._count >= _TOLD_EVERY:
            self._listener(Reading(self._count, done=True))

    def again(self, source: SourceFile, at_s: int | None, *, former: bool = False) -> Iterator[tuple[int, DeclaredRun]]:
        """The runs of a file that was sound, with their numbers; with `at_s`, the instances of its recurring runs at
        that time (Unix seconds). `former`: as they were while numbers were written otherwise.

        Raises: `InvalidInput` when an instance can't be made.
        """
        evaluator = self._evaluator.former() if former else self._evaluator
        for document in parts.read_whole(source, []):
            data = cast("Mapping[str, Any]", document.data)
            if at_s is not None and data["spec"].get("schedule") is None:
                continue
            findings: list[Finding] = []
            for ordinal, run in expand(document, evaluator=evaluator, files=self._inputs, findings=findings, at_s=at_s):
                if at_s is not None and not former and any(finding.severity is Severity.ERROR for finding in findings):
                    raise InvalidInput(places.diagnose(findings))
                yield (document.index << _DOCUMENT_BITS) + ordinal, run

    def _document(self, document: Document, adding: Adding, position: int, remember: Remember) -> None:
        self._rules.group(document)
        findings = structure.check(document, "manifest")
        if findings:
            self._findings += findings
            self.whole = False
            rest = remains(document, findings)
            if rest is None:
                return
            document = rest
        data = cast("Mapping[str, Any]", document.data)
        for index, move in enumerate(data["spec"].get("moved", ())):
            if move is not None:
                path = ("spec", "moved", index)
                self.moves.append(DeclaredMove(Move(move["from"], move["to"]), document, path))
        self._rules.settings(document)
        self._evaluator.numbers.respelled = False
        adding.group(group_of(data), self._identified(document, position, remember), self._is_respelled)
        for run, first in adding.take_refused():
            if self._names and "[" in run.address:  # the rules have looked at the names of listed runs
                self._problems.append(_declared_twice(run, first))

    def _identified(self, document: Document, position: int, remember: Remember) -> Iterator[DesiredRun | DesiredAlike]:
        """The runs of a document, checked; without an identity once something is wrong with their file."""
        base = document.index << _DOCUMENT_BITS
        for made in expand_together(document, evaluator=self._evaluator, files=self._inputs, findings=self._findings):
            if isinstance(made, DeclaredAlike):
                together = self._together(document, made, position, base)
                if together is not None:
                    if together:
                        self._tell(len(together), made.sources[0])
                        remember(together.declared, together)
                        yield together
                    continue
            for ordinal, run in made.numbered() if isinstance(made, DeclaredAlike) else (made,):
                self._rules.run(document, run.source.entry - document.first_run, run)
                if self._is_unsound():
                    self._tell(1, run.source)
                    yield DesiredRun(run.address, "", "", run.group, run.source)
                    continue
                # Of a recurring run, each instance has a shard of its own.
                if self._shard is not None and run.group.schedule is None and not self._shard.covers(self._place(run)):
                    continue
                desired = identify(run, position, base + ordinal)
                self._tell(1, run.source)
                remember((run,), (desired,))
                yield desired

    def _together(self, document: Document, runs: DeclaredAlike, position: int, base: int) -> DesiredAlike | None:
        """The same for runs that are alike; None where each has to be looked at."""
        if self._is_unsound() or not self._rules.pass_together(document, runs):
            return None
        if self._shard is not None:
            places = places_of(self._project.key, self._project.environment, runs.addresses)
            runs = runs.only([self._shard.covers(place) for place in places])
        return identify_together(runs, position, [base + ordinal for ordinal in runs.ordinals])

    def _is_respelled(self) -> bool:
        """Whether a number in a text of this document is written otherwise than it was once."""
        return self._evaluator.numbers.respelled

    def _tell(self, more: int, source: Source) -> None:
        before, self._count = self._count, self._count + more
        if before // _TOLD_EVERY != self._count // _TOLD_EVERY:
            part, whole = self._headway(source.line)
            self._listener(Reading(self._count, part=part, whole=whole))

    def _headway(self, line: int) -> tuple[int, int]:
        """How many bytes of how many are read, at a line of the manifest; (0, 0) where that can't be told."""
        data = self._inputs.headway
        if data is None:
            return 0, 0
        before, size, whole = self._sizes()
        return before + size * (line - 1) // self._lines + data[0], whole + data[1]

    def _place(self, run: DeclaredRun) -> str:
        return place_of(self._project.key, self._project.environment, run.address)

    def _is_unsound(self) -> bool:
        """Whether an error was found in the file that is being read."""
        if len(self._findings) != self._looked_at:
            new = self._findings[self._looked_at :]  # only these: there may be thousands of warnings before
            self._looked_at += len(new)
            self._unsound = self._unsound or any(finding.severity is Severity.ERROR for finding in new)
        return self._unsound


def _declared_twice(run: DesiredRun, first: DesiredRun) -> Diagnostic:
    where = "on the same line" if run.source == first.source else f"at {first.source}"
    return Diagnostic(
        code="duplicate-address",
        message=f"{run.address} is declared already, {where}",
        place=run.source.place,
        address=run.address,
        hint="give every run a key of its own",
    )


def _read_yaml(source: SourceFile) -> tuple[list[object], list[Diagnostic]]:
    """The documents of a YAML file that is no manifest, and what is wrong with it."""
    problems: list[Diagnostic] = []
    return [document.data for document in yaml_docs.read(source, problems)], problems
