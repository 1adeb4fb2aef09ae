"""One pass over manifest files: what they declare goes into a catalogue, what is wrong with them is collected."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy import __version__
from wfdeploy.catalogue.catalogue import CacheEntry, Catalogue
from wfdeploy.documents import sources
from wfdeploy.errors import InvalidInput
from wfdeploy.files.access import is_text, open_regular
from wfdeploy.manifests.identify.digest import CURRENT, WITH_OWN_ID
from wfdeploy.manifests.notes import moves_of, to_notes, warnings_of
from wfdeploy.manifests.requests import HELD, Requests, RunNumbers

if TYPE_CHECKING:
    from wfdeploy.catalogue.entries import Cache
    from wfdeploy.documents.structure import Documents
    from wfdeploy.manifests.parsing import ManifestParser
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.document import DeclaredMove, SourceFile
    from wfdeploy.model.project import Project, Shard
    from wfdeploy.model.run import DeclaredRun
    from wfdeploy.ports import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How manifests are loaded.

    variables: of the command line; they win over the project's.
    defaults: variables that all others win over.
    cwd: None for the working directory of the process.
    cache: where what was loaded is kept for the next command; None for nowhere.
    keep: how many requests to hold in memory.
    shrink: hold of their bodies no more than the canonical text.
    shard: the part of all runs that is meant (None: all); all are checked.
    loopback: destinations on this machine are meant.
    documents: those of files that were read before; files are read as a whole then.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    stdin: Callable[[], bytes] = bytes
    cwd: Path | None = None
    cache: Cache | None = None
    keep: int = HELD
    shrink: bool = True
    shard: Shard | None = None
    listener: Listener = lambda _event: None
    loopback: bool = True
    documents: Documents | None = None


class ManifestReader:
    """One pass over the files. Problems are collected, never raised: the user wants to see all of them.

    A file that the catalogue knows under the same content and settings is not read again.

    thorough: report in full what is declared twice, which takes all files at once; else it is only noticed
        (`is_doubtful`).
    presuming: nothing is known of the project's variables, secrets and moves.
    """

    def __init__(
        self,
        project: Project,
        paths: Sequence[str] | None,
        how: Loading,
        catalogue: Catalogue,
        *,
        thorough: bool,
        presuming: bool,
    ) -> None:
        self.catalogue = catalogue
        self.requests = Requests(self._again, most=how.keep, shrink=how.shrink)
        self.diagnostics: list[Diagnostic] = []
        self.found: list[sources.Found] = []
        self.passed: list[sources.PassedOver] = []
        self.moves: list[DeclaredMove] = []
        self.complete = True
        self.left_out: list[Path] = []
        self._project = project
        self._paths = paths
        self._how = how
        self._cwd = (how.cwd or Path.cwd()).absolute()
        self._variables = None if presuming else {**how.defaults, **project.vars, **how.variables}
        self._thorough = thorough
        self._names: list[str] = []  # of the files found, below the project
        self._problems: list[Diagnostic] = []
        self._whole = not presuming  # nothing had to be left out of a document
        self._context = self._settings_digest()
        self._named: set[str] = set()  # files that manifests name, below the project
        self._digests: dict[int, str] = {}  # of the files' content, by position
        self._in_pieces: set[int] = set()  # files that were read in pieces, by position
        self._position = 0  # of the file that is read
        self._doubts_in_moves = False

    @property
    def is_doubtful(self) -> bool:
        """Whether a thorough pass would have more to report."""
        return not self._thorough and (self.catalogue.duplicates or self._doubts_in_moves)

    def read(self) -> None:
        """Read everything."""
        self._find(self._paths)
        self.complete = self._paths is None or self._covers(self.found)
        for position, entry in enumerate(self.found):
            self._position = position
            self._take_in(position, entry)
        if "_parser" in self.__dict__:
            self._parser.end()
        self.passed = self._unused(self.passed)
        self._check_own_ids()
        self._check_moves()
        self._check_order()
        order = {entry.display: number for number, entry in enumerate(self.found)}
        # By file, in the order they were read, then by place; what isn't about a file that was read comes first.
        self.diagnostics = sorted(
            [*self.diagnostics, *self._problems],
            key=lambda d: (order.get(d.place.file, -1), d.place.file, d.place.line, d.place.column),
        )

    # --- files -----------------------------------------------------------------------------------------------

    def _find(self, paths: Sequence[str] | None) -> None:
        cwd = self._cwd
        base, bounds = cwd, self._project.bounds
        if paths is None:
            base, paths = self._project.root, self._project.manifests
        else:
            bounds = bounds.named(base, paths)
        file = self._project.file
        found = sources.find(
            paths, base=base, cwd=cwd, problems=self._problems, bounds=bounds, project_file=file, passed=self.passed
        )
        # The project file may stand among the manifests, under a name of its own.
        own = None if file is None else os.path.realpath(file)
        for entry in found:
            name = sources.name_of(entry, self._project.root)
            if not is_text(name):
                self._problems.append(sources.unnameable(entry))
            elif entry.real != own:
                self.found.append(entry)
                self._names.append(name)

    def _covers(self, found: Sequence[sources.Found]) -> bool:
        """Whether the files found include all of the project's own manifests."""
        problems: list[Diagnostic] = []
        own = sources.find(
            self._project.manifests,
            base=self._project.root,
            cwd=self._cwd,
            problems=problems,
            bounds=self._project.bounds,
            project_file=self._project.file,
        )
        project_file = self._project.file or self._project.root
        have = {os.path.realpath(project_file), *(entry.real for entry in found)}
        self.left_out = [entry.path for entry in own if entry.path is not None and entry.real not in have]
        return not problems and not self.left_out and all(entry.path is not None for entry in own)

    def _unused(self, passed: Sequence[sources.PassedOver]) -> list[sources.PassedOver]:
        """Without what is no manifest, but named by one: a data file beside it."""
        if not passed:
            return []
        named = {os.path.normpath(self._project.root / name) for name in self._named}
        return [
            one
            for one in passed
            if one.why != sources.OTHER_ENDING or os.path.normpath(self._cwd / one.display) not in named
        ]

    def _take_in(self, position: int, entry: sources.Found) -> None:
        """Read one file, unless it is known."""
        name = self._names[position]
        data = self._bytes(entry, self._problems)
        if data is None:
            return
        digest = self._digests[position] = sha256(data).hexdigest()
        # What is read from standard input is never known.
        key = None if entry.path is None else self._key(entry, name, digest)
        if key is not None and not self._thorough:
            known = self.catalogue.cached(key)
            if known is not None and self._unchanged(known.reads):
                self._take(known, position, entry)
                return
        source = self._decode(position, data, self._problems)
        del data  # a large file is held once
        if source is not None and (self._thorough or not self._by_pieces(source, position, key)):
            self._file(source, position, key)

    def _bytes(self, entry: sources.Found, problems: list[Diagnostic]) -> bytes | None:
        stdin = self._how.stdin() if entry.path is None else None
        return sources.read_bytes(entry, stdin=stdin, problems=problems)

    def _decode(self, position: int, data: bytes, problems: list[Diagnostic]) -> SourceFile | None:
        entry, name = self.found[position], self._names[position]
        return sources.decode(entry, data, name=name, cwd=self._cwd, problems=problems)

    def _sizes(self) -> tuple[int, int, int]:
        """The bytes of the files before the one that is read, of that one, and of all."""
        sizes, position = self._all_sizes, self._position
        return sum(sizes[:position]), sizes[position], sum(sizes)

    @cached_property
    def _all_sizes(self) -> list[int]:
        return [_size(entry) for entry in self.found]

    @cached_property
    def _parser(self) -> ManifestParser:
        from wfdeploy.manifests.parsing import ManifestParser

        return ManifestParser(self._project, self._variables, self._how, names=self._thorough, sizes=self._sizes)

    def _by_pieces(self, source: SourceFile, position: int, key: str | None) -> bool:
        """Read of a long file what isn't known of it; False where it has to be read as a whole."""
        if not self._whole or self._how.documents is not None:
            return False
        from wfdeploy.documents.pieces import cut
        from wfdeploy.manifests.parsing import NotInPieces

        whole = cut(source)
        if whole is None:
            return False
        text = source.text
        before = "\0".join((self._context, source.name, source.display, str(whole.column), text[: whole.head])).encode()
        keys = [sha256(before + b"\0" + text[one.start : one.end].encode()).digest() for one in whole.pieces]
        known = self.catalogue.pieces(set(keys))
        try:
            with self.catalogue.new_entry(position, source.name) as writer:
                self._parser.parse_pieces(whole, position, writer, self.requests.remember, keys=keys, known=known)
                writer.key = key
        except NotInPieces:
            self.requests.forget(position)
            return False
        self._in_pieces.add(position)
        return True

    def _file(self, source: SourceFile, position: int, key: str | None) -> None:
        """Read a file that isn't known. When there is nothing wrong with it, later commands may use the outcome."""
        parser = self._parser
        before = len(parser.moves)
        with self.catalogue.new_entry(position, source.name) as writer:
            found = parser.parse_file(source, position, writer, self.requests.remember)
            self.diagnostics += found
            self._named.update(writer.reads)
            if not any(diagnostic.is_error for diagnostic in found):
                writer.key = None if parser.hides_own_ids else key
                writer.notes = to_notes(found, parser.moves[before:])
        self.moves += parser.moves[before:]
        self._whole = self._whole and parser.whole

    def _again(
        self, position: int, at_s: int | None, /, *, wanted: RunNumbers | None = None, former: bool = False
    ) -> Iterator[tuple[int, DeclaredRun]]:
        """See `Reread`. Raises: `InvalidInput` when the file has changed since it was read."""
        entry = self.found[position]
        problems: list[Diagnostic] = []
        data = self._bytes(entry, problems)
        if data is None or sha256(data).hexdigest() != self._digests[position]:
            from wfdeploy.model.diagnostic import Diagnostic, Place

            message, hint = "this file was changed while it was in use", "run the command again"
            raise InvalidInput(
                [Diagnostic(code="file-changed", message=message, place=Place(entry.display), hint=hint)]
            )
        source = self._decode(position, data, problems)
        assert source is not None
        pieces = None
        if position in self._in_pieces and wanted is not None and at_s is None and not former:
            from wfdeploy.documents.pieces import cut

            pieces = cut(source)
        return self._parser.parse_again(source, at_s, wanted=wanted, former=former, pieces=pieces)

    def text_of(self, position: int) -> SourceFile | None:
        """The text of a file, for pointing into it; None where it has changed."""
        data = self._bytes(self.found[position], [])
        if data is None or sha256(data).hexdigest() != self._digests[position]:
            return None
        return self._decode(position, data, [])

    # --- the cache -------------------------------------------------------------------------------------------

    def _settings_digest(self) -> str:
        """Over all but files that what a manifest declares depends on."""
        project = self._project
        settings = {
            "wfdeploy": __version__,
            "fingerprints": [CURRENT, WITH_OWN_ID],
            "variables": self._variables,
            "secrets": sorted(project.secrets),
            "maxMessageBytes": project.server.max_message_bytes,
            "loopback": self._how.loopback,
            "insecure": project.server.insecure_destinations,
            "allowedPaths": project.allowed_paths,
            "shard": None if self._how.shard is None else [str(self._how.shard), project.key, project.environment],
        }
        return sha256(json.dumps(settings, sort_keys=True, default=repr).encode()).hexdigest()

    def _key(self, entry: sources.Found, name: str, content: str) -> str:
        return sha256("\0".join((self._context, name, entry.display, content)).encode()).hexdigest()

    def _unchanged(self, reads: Mapping[str, str]) -> bool:
        """Whether the files that a manifest names hold what they held."""
        for name, expected in reads.items():
            try:
                with open_regular(self._project.root / name) as file:
                    if file_digest(file, "sha256").hexdigest() != expected:
                        return False
            except (OSError, ValueError):  # no file has such a name
                return False
        return True

    def _take(self, known: CacheEntry, position: int, entry: sources.Found) -> None:
        name = self._names[position]
        self.catalogue.take(known, position, name)
        self._named.update(known.reads)
        if any(chunk.piece for group in known.groups for chunk in group.chunks):
            self._in_pieces.add(position)
        self.diagnostics += warnings_of(known.notes)
        folder = self._project.root if entry.path is None else entry.path.parent
        moves = list(moves_of(known.notes, display=entry.display, name=name, folder=folder))
        self.moves += moves
        self._doubts_in_moves = self._doubts_in_moves or bool(moves)  # until they are found to be sound

    # --- across files ----------------------------------------------------------------------------------------

    def _check_own_ids(self) -> None:
        if self._thorough:
            return  # the rules have seen them all
        seen: set[str] = set()
        for run in self.catalogue.with_own_ids():
            from wfdeploy.model.workflow_id import id_key

            assert run.workflow_run_id is not None
            key = id_key(run.workflow_run_id)
            if key in seen:
                self.catalogue.duplicates = True
            seen.add(key)

    def _check_moves(self) -> None:
        stubs, self._doubts_in_moves = self._doubts_in_moves, False
        if not self.moves and not self._project.moved:
            return
        from wfdeploy.documents.positions import diagnose
        from wfdeploy.manifests.validate.across_files import check_moves
        from wfdeploy.model.document import DeclaredMove
        from wfdeploy.project.document import project_document

        if self._project.moved and self._project.file is not None:
            document = project_document(self._project.file, cwd=self._cwd)
            own = [
                DeclaredMove(move, document, ("spec", "moved", index)) for index, move in enumerate(self._project.moved)
            ]
            self.moves = [*own, *self.moves]
        named = {name for declared in self.moves for name in (declared.move.origin, declared.move.to)}
        addresses = self.catalogue.find([name for name in named if "/" in name])
        findings = list(check_moves(self.moves, addresses, self.catalogue.groups, complete=self._knows_all))
        if findings and stubs:
            self._doubts_in_moves = True  # where these moves stand isn't known here
        else:
            self._problems += diagnose(findings)

    def _check_order(self) -> None:
        groups = {name: declared.group for name, declared in self.catalogue.groups.items()}
        if not any(group.depends_on for group in groups.values()):
            return
        from wfdeploy.manifests.validate.across_files import check_order

        self._problems += check_order(
            groups, lambda name: self.found[self.catalogue.file_of(name)].display, complete=self._knows_all
        )

    @property
    def _knows_all(self) -> bool:
        """Whether no other manifest can declare what isn't declared here: what couldn't be read may."""
        errors = any(found.is_error for found in (*self._problems, *self.diagnostics))
        return self.complete and self._whole and not errors


def _size(entry: sources.Found) -> int:
    """In bytes; 0 of what isn't a file, or can't be looked at."""
    try:
        return 0 if entry.path is None else entry.path.stat().st_size
    except OSError:
        return 0
