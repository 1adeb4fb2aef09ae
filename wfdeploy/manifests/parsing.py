"""Manifest files into runs: parsed, checked, expanded. Not loaded by a command whose files are all known."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from wfdeploy.catalogue import chunks as catalogue
from wfdeploy.catalogue.chunks import WHOLE_FILE, Chunk
from wfdeploy.catalogue.entries import EntryWriter
from wfdeploy.documents import structure, yaml_docs
from wfdeploy.documents.pieces import Pieces
from wfdeploy.documents.positions import diagnose
from wfdeploy.documents.structure import Documents
from wfdeploy.documents.values import number_problems
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.expand.data.streams import MAX_LINE_BYTES
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.manifests.expand.references import References, UnknownReferences
from wfdeploy.manifests.expand.runs import Made, expand, group_of
from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.manifests.identify.run_ids import place_of
from wfdeploy.manifests.requests import KeepRequest, RunNumbers
from wfdeploy.manifests.validate.rules import Rules
from wfdeploy.manifests.validate.sanitize import sanitize
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.document import DeclaredMove, Document, Finding, SourceFile
from wfdeploy.model.event import Reading
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, DesiredRun, Move

if TYPE_CHECKING:
    from wfdeploy.manifests.reading import Loading

_DOCUMENT_BITS = 32
"""A run's number is its document's index, shifted by this, plus its own in the document."""


_REPORTED_EVERY = 5000


class NotInPieces(Exception):
    """A file has to be read as a whole."""


class ManifestParser:
    """Parses the files of one pass, one after the other.

    variables: None where nothing is known of the project's variables, secrets and moves.
    names: also find what is declared twice, across files.
    sizes: gives the bytes of the manifests before the one that is read, of that one, and of all.
    """

    def __init__(
        self,
        project: Project,
        variables: Mapping[str, object] | None,
        how: Loading,
        *,
        names: bool,
        sizes: Callable[[], tuple[int, int, int]],
    ) -> None:
        self.moves: list[DeclaredMove] = []
        self.whole = variables is not None
        """Whether nothing had to be left out of a document."""
        self._names = names
        self._project = project
        self._shard = how.shard
        most = min(project.server.max_message_bytes, MAX_LINE_BYTES)  # the first stands in the checkout
        self._evaluator = (
            UnknownReferences() if variables is None else References(variables, project.secrets, most=most)
        )
        self._inputs = InputFiles(project.root, project.server.max_message_bytes, project.bounds)
        self._rules = Rules(
            insecure=project.server.insecure_destinations,
            max_message_bytes=project.server.max_message_bytes,
            extreme_variables=any(True for _ in number_problems(variables or {})),
            names=names,
            loopback=how.loopback,
        )
        self._made: Made = {}
        self._listener = how.listener
        self._sizes = sizes
        self._documents = how.documents or Documents()
        self._lines = 1  # of the file that is read
        self._count = 0
        self._problems: list[Diagnostic] = []
        self._findings: list[Finding] = []
        self._looked_at = 0
        self._unsound = False
        self._has_own_ids = False

    def parse_file(
        self, source: SourceFile, position: int, writer: EntryWriter, remember: KeepRequest
    ) -> list[Diagnostic]:
        """Read the `position`th file into an entry of the catalogue; give back what there is to report.

        Only where that holds no error, the entry's runs have identities. Its `reads` are filled in.

        remember: is called with the runs.
        """
        self._begin(source)
        documents = 0
        for document, wrong in self._documents.of(source, self._problems):
            documents += 1
            self._document(document, wrong, writer, position, remember)
        if not documents and not self._problems:
            message, place = "this file declares nothing", Place(source.display)
            self._problems.append(
                Diagnostic(severity=Severity.WARNING, code="empty-file", message=message, place=place)
            )
        writer.reads = self._inputs.take()
        return [*self._problems, *diagnose(self._findings)]

    def parse_pieces(
        self,
        whole: Pieces,
        position: int,
        writer: EntryWriter,
        remember: KeepRequest,
        *,
        keys: Sequence[bytes],
        known: Mapping[bytes, list[Chunk]],
    ) -> None:
        """Read the `position`th file piece by piece, but for those that are `known`.

        keys: of each piece.

        Raises: `NotInPieces` where there is anything to report about the file, or its pieces don't stand for
        themselves.
        """
        header = whole.header
        data = cast("Mapping[str, Any]", header.data)
        unknown = (piece for piece, key in zip(whole.pieces, keys, strict=True) if key not in known)
        first = next(unknown, None)  # what is known was read under the very same header
        begun = None if first is None else whole.read(first)
        if first is not None and (begun is None or structure.check(begun, "manifest")):
            raise NotInPieces
        if "moved" in data["spec"]:
            raise NotInPieces
        self._begin(header.source)
        self._evaluator.numbers.respelled = False

        def stretches() -> Iterator[tuple[catalogue.PieceRef, Iterable[DesiredRun] | list[Chunk]]]:
            for piece, key in zip(whole.pieces, keys, strict=True):
                place = catalogue.PieceRef(key, piece.first, piece.line)
                if key in known:
                    yield place, known[key]
                    continue
                document = begun if piece is first else whole.read(piece)
                if document is None or (piece is not first and structure.check(document, "manifest")):
                    raise NotInPieces
                self._rules.group(document)
                self._rules.settings(document)
                yield place, self._identified(document, position, remember)
                if self._findings or self._is_respelled() or self._inputs.take() or self.hides_own_ids:
                    raise NotInPieces

        writer.add_group(group_of(data), stretches())
        if writer.has_duplicates:
            raise NotInPieces

    def _begin(self, source: SourceFile) -> None:
        """Forget what was found in the file before."""
        self._problems, self._findings = [], self._rules.findings
        self._findings.clear()
        self._looked_at, self._unsound, self._has_own_ids = 0, False, False
        self._inputs.take()
        self._lines = source.text.count("\n") + 1

    @property
    def hides_own_ids(self) -> bool:
        """Whether ids that authors gave to runs of the last file aren't all in the catalogue, which has the runs of one
        shard: somebody else's may be the same."""
        return self._shard is not None and self._has_own_ids

    def end(self) -> None:
        """All files are read."""
        if self._count >= _REPORTED_EVERY:
            self._listener(Reading(self._count, done=True))

    def parse_again(
        self,
        source: SourceFile,
        at_s: int | None,
        *,
        wanted: RunNumbers | None = None,
        former: bool = False,
        pieces: Pieces | None = None,
    ) -> Iterator[tuple[int, DeclaredRun]]:
        """Yield the runs of a file that was sound, with their numbers.

        wanted: numbers of runs; None for all.
        at_s: the instances of its recurring runs at that time (Unix seconds) instead.
        former: as they were while numbers were written otherwise.
        pieces: of the file, if it may be read in pieces.

        Raises: `InvalidInput` when an instance can't be made.
        """
        evaluator = self._evaluator.former() if former else self._evaluator
        for document in yaml_docs.read(source, []) if pieces is None else _with_wanted(pieces, wanted):
            data = cast("Mapping[str, Any]", document.data)
            if at_s is not None and data["spec"].get("schedule") is None:
                continue
            findings: list[Finding] = []
            base = document.index << _DOCUMENT_BITS
            runs = expand(
                document,
                evaluator=evaluator,
                files=self._inputs,
                findings=findings,
                wanted=None if wanted is None else _Ordinals(wanted, base),
                at_s=at_s,
            )
            for ordinal, run in runs:
                if at_s is not None and not former and any(finding.severity is Severity.ERROR for finding in findings):
                    raise InvalidInput(diagnose(findings))
                yield base + ordinal, run

    def _document(
        self, document: Document, findings: list[Finding], writer: EntryWriter, position: int, remember: KeepRequest
    ) -> None:
        """Take in a document.

        findings: what its schema finds wrong with it.
        """
        self._rules.group(document)
        if findings:
            self._findings += findings
            self.whole = False
            rest = sanitize(document, findings)
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
        writer.add_group(
            group_of(data), [(WHOLE_FILE, self._identified(document, position, remember))], self._is_respelled
        )
        for run, first in writer.take_refused():
            if self._names and "[" in run.address:  # the rules have looked at the names of listed runs
                self._problems.append(_declared_twice(run, first))

    def _identified(self, document: Document, position: int, remember: KeepRequest) -> Iterator[DesiredRun]:
        """The runs of a document, checked; without an identity once something is wrong with their file."""
        base = document.index << _DOCUMENT_BITS
        runs = expand(document, evaluator=self._evaluator, files=self._inputs, findings=self._findings, made=self._made)
        for ordinal, run in runs:
            self._rules.run(document, run.source.entry, run)
            self._count += 1
            if not self._count % _REPORTED_EVERY:
                self._report(run.source.line)
            if self._is_unsound():
                yield DesiredRun(run.address, "", "", run.group, run.source)
                continue
            self._has_own_ids = self._has_own_ids or run.workflow_run_id is not None
            # Of a recurring run, each instance has a shard of its own.
            if self._shard is not None and run.group.schedule is None and not self._shard.covers(self._place(run)):
                continue
            desired = identify(run, position, base + ordinal)
            remember(desired, run.request)
            yield desired

    def _is_respelled(self) -> bool:
        """Whether a number in a text of this document is written otherwise than it was once."""
        return self._evaluator.numbers.respelled

    def _report(self, line: int) -> None:
        part, whole = self._progress(line)
        self._listener(Reading(self._count, part=part, whole=whole))

    def _progress(self, line: int) -> tuple[int, int]:
        """How many bytes of how many are read, at a line of the manifest; (0, 0) where that isn't known."""
        data = self._inputs.progress
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


def _with_wanted(pieces: Pieces, wanted: RunNumbers | None) -> Iterator[Document]:
    """The documents of the pieces that have wanted runs."""
    base = pieces.header.index << _DOCUMENT_BITS
    for piece in pieces.pieces:
        if wanted is None or wanted.has_below(base + piece.first + piece.count):
            document = pieces.read(piece)
            assert document is not None
            yield document


class _Ordinals:
    """The numbers of a file's runs that belong to one document, as ordinals in it."""

    def __init__(self, numbers: Container[int], base: int) -> None:
        self._numbers = numbers
        self._base = base

    def __contains__(self, ordinal: object) -> bool:
        return isinstance(ordinal, int) and self._base + ordinal in self._numbers


def _declared_twice(run: DesiredRun, first: DesiredRun) -> Diagnostic:
    where = "on the same line" if run.source == first.source else f"at {first.source}"
    return Diagnostic(
        code="duplicate-address",
        message=f"{run.address} is already declared, {where}",
        place=run.source.place,
        address=run.address,
        hint="give every run a key of its own",
    )
