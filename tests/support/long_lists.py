"""Manifests with one long list of runs, and all that loading them tells, to be compared."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wfdeploy.catalogue.entries import Cache
from wfdeploy.documents import pieces, yaml_docs
from wfdeploy.documents.pieces import Pieces
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.manifests import Manifests, load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, SourceFile
from wfdeploy.model.project import Project, Shard
from wfdeploy.model.run import DesiredRun

DUE_S = 1_800_000_000
"""A time for the instances of recurring runs."""


@contextmanager
def in_pieces_of(usual: int, long: int = 0) -> Iterator[None]:
    """Files of so many characters are read in pieces of about so many items."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LONG", long)
        patch.setattr(pieces, "_USUAL", usual)
        patch.setattr(pieces, "_MOST", 4 * usual)
        yield


@contextmanager
def as_a_whole() -> Iterator[None]:
    """No file is read in pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LONG", 10**12)
        yield


@contextmanager
def counted() -> Iterator[list[int]]:
    """The pieces that are read, each by the index of its first item; -1 for each file that is read as a whole."""
    read, read_whole, made = Pieces.read, yaml_docs.read, list[int]()

    def counting(self: Pieces, piece: pieces.Piece) -> Document | None:
        made.append(piece.first)
        return read(self, piece)

    def counting_whole(source: SourceFile, problems: list[Diagnostic]) -> Iterator[Document]:
        made.append(-1)
        return read_whole(source, problems)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pieces, "read", counting)
        patch.setattr(yaml_docs, "read", counting_whole)
        yield made


# --- what a load tells -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that a load tells. Of requests, those of some runs, asked for in several ways."""

    diagnostics: Any
    runs: list[DesiredRun] = field(default_factory=list)
    groups: Any = None
    digest: str = ""
    moved: Any = ()
    own_ids: Any = ()
    requests: Any = ()
    instances: Any = ()
    former: Any = ()

    def assert_same(self, other: Told) -> None:
        for name in self.__dataclass_fields__:
            assert getattr(self, name) == getattr(other, name), name


def told(project: Project, cache: Cache | None, seed: object, shard: Shard | None = None, **options: Any) -> Told:
    """What one load tells; `seed` says which requests are asked for, and how."""
    how = Loading(cwd=project.root, cache=cache, shard=shard, **options)
    try:
        with load_manifests(project, how=how) as manifests:
            return _told(manifests, random.Random(str(seed)))
    except InvalidInput as error:
        return Told(diagnostics=error.diagnostics)


def _told(manifests: Manifests, rng: random.Random) -> Told:
    runs = list(manifests.runs.runs())
    some = rng.sample(runs, min(len(runs), rng.choice([1, 2, 5, 500])))
    kept = {run.address: run for run in some}
    found_by_address = dict(manifests.runs.find([*kept, "none/such"]))
    assert found_by_address == kept
    requests = manifests.requests
    order = sorted(some, key=lambda run: (run.file, run.number))
    if rng.random() < 0.5:
        requests.fetch(order[::2])
    found = [_each(manifests, order)] if rng.random() < 0.5 else []
    found.append([(run, requests.of(run)) for run in some])
    found.append(_each(manifests, order))
    scheduled = sorted({run.file for run in runs if run.group.schedule is not None})
    return Told(
        diagnostics=manifests.warnings,
        runs=runs,
        groups=dict(manifests.runs.groups),
        digest=manifests.digest,
        moved=manifests.moved,
        own_ids=sorted(manifests.runs.with_own_ids()),
        requests=[sorted(pairs, key=lambda pair: pair[0].address) for pairs in found],
        instances=[list(requests.instances(file, DUE_S)) for file in scheduled],
        former=[(run.address, run.request) for run in requests.all_formerly(0)] if rng.random() < 0.2 else (),
    )


def _each(manifests: Manifests, runs: Sequence[DesiredRun]) -> list[tuple[DesiredRun, Any]]:
    return [(run, request) for run, _, request in manifests.requests.each((run, run) for run in runs)]


def assert_as_a_whole(
    project: Project, cache: Cache | None, seed: object, shard: Shard | None = None, **options: Any
) -> Told:
    """What a load tells, which is what one tells that reads files as a whole and has no cache."""
    asked = {"cwd": project.root, "shard": shard, "variables": options.get("variables", {})}
    with as_a_whole():
        diagnostics = validate(project, how=Loading(**asked))
        expected = told(project, None, seed, shard, **options)
    first = told(project, cache, seed, shard, **options)
    first.assert_same(expected)
    said = validate(project, how=Loading(cache=cache, **asked))
    assert said == diagnostics
    again = told(project, cache, seed, shard, **options)
    again.assert_same(expected)
    return again


# --- lists -------------------------------------------------------------------------------------------------------


def put(root: Path, name: str, text: str) -> None:
    file = root / "manifests" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def project(root: Path) -> Project:
    (root / "manifests").mkdir()
    (root / "manifests" / "body.json").write_text('{"from": "a file"}')
    return Project(root=root, vars={"plan": "pro", "wide": 1e20, "n": {"seats": 3}}, secrets=("TOKEN", "OTHER"))


_HEADERS: dict[str, str] = {
    "": "",
    "defaults": "  defaults: {labels: [a], headers: {X-Team: '${{ vars.plan }}'}, retries: 3}\n",
    "a body": "  defaults: {body: {from: defaults, at: '${{ secrets.OTHER }}'}, delay: 30s}\n",
    "a policy": "  policy: {onChange: error, onRemove: cancel}\n",
    "an identity": "  identity: {include: [labels], exclude: [headers.X-A]}\n",
    "a schedule": "  schedule: {cron: '0 6 * * *'}\n",
    "a rollout": "  rollout: {steps: [{count: 1}, {percent: 50}]}\n",
    "a limit": "  defaults: {flowControl: {key: k, parallelism: 2}}\n",
    "a comment": "  # no more than this\n\n",
    "an error": "  defaults: {retries: -1}\n",
    "a bad policy": "  policy: {onChange: never}\n",
    "a bad rollout": "  rollout: {stages: [1%]}\n",
    "a bad schedule": "  schedule: {cron: never}\n",
    "no schedule": "  schedule: 1\n",
    "a bad order": "  dependsOn: [{name: other}]\n",
    "an order": "  dependsOn: [{group: other}]\n",
    "another error": "  defaults: {labels: ['no label']}\n",
    "no YAML": "  defaults: {labels: [a}\n",
    "a respelled number": "  defaults: {headers: {X-Wide: 'a ${{ vars.wide }}'}}\n",
    "a moved": "  moved: [{from: former, to: list}]\n",
    "a file": "  defaults: {bodyFile: body.json}\n",
    "an anchor": "  defaults: &d {retries: 2}\n",
}
SOUND_HEADERS = ("", "defaults", "a body", "a policy", "an identity", "a rollout", "a limit", "a comment", "a schedule")
HEADERS = tuple(_HEADERS)


@pytest.fixture(name="project")
def given_project(tmp_path: Path) -> Project:
    """A project whose one file is a long list."""
    made = project(tmp_path)
    put(tmp_path, "a.yaml", text_of(ITEMS))
    return made


@pytest.fixture(name="cache")
def given_cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", b"key")


@pytest.fixture(autouse=True)
def five_a_piece() -> Iterator[None]:
    with in_pieces_of(5):
        yield


def text_of(items: Sequence[str], header: str = "", name: str = "list", column: int = 4) -> str:
    """A manifest with these items."""
    head = f"apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {{name: {name}}}\nspec:\n"
    begin = f"{head}  destination: https://app.example.com/wf\n{_HEADERS[header]}  runs:\n"
    return begin + "".join(_indented(item, column) for item in items)


def _indented(item: str, column: int) -> str:
    return "".join(f"{' ' * column}{line}" if line.strip() else line for line in item.splitlines(keepends=True))


def item_of(rng: random.Random, name: str, *, own_ids: bool = True) -> str:
    """A sound item, on one line or on several."""
    fields = [f"name: {name}"]
    body = rng.choice(
        ["", "body: {a: %d, list: [1.5, 'x: y', null]}", "body: '${{ vars.n.seats }} of %d'",
         "body: ['${{ secrets.TOKEN }}', %d]", "bodyText: 'a - b %d'", "body: null", "body: %d",
         "body: 'line\u2028of %d'"]
    )  # fmt: skip
    if body:
        fields.append(body % rng.randrange(4) if "%d" in body else body)
    for chance, more in (
        (0.2, "labels: [one, '${{ vars.plan }}']"),
        (0.2, f"headers: {{X-A: '{rng.randrange(3)}', X-B: '${{{{ secrets.TOKEN }}}}'}}"),
        (0.2, f"retries: {rng.randrange(5)}"),
        (0.1, "delay: 90s"),
        (0.1, "delay: null"),
        (0.1, f"destination: https://b.example.com/{rng.randrange(3)}"),
        (0.1 * own_ids, f"workflowRunId: own-{name}"),
        (0.1, "timeout: 30"),
    ):
        if rng.random() < chance and not any(field.partition(":")[0] == more.partition(":")[0] for field in fields):
            fields.append(more)
    if rng.random() < 0.4:
        return f"- {{{', '.join(fields)}}}\n"
    lines = [f"- {fields[0]}\n", *(f"  {line}\n" for line in fields[1:])]
    if not body and rng.random() < 0.5:
        lines.append(f"  bodyText: |\n    - name: {name}\n\n      x {rng.randrange(3)}\n")
    if rng.random() < 0.2:
        lines.append(rng.choice(["\n", "# a comment\n", "  # another\n\n", "\n\n"]))
    return "".join(lines)


BROKEN = (
    "- {name: bad, retries: -1}\n",
    "- {name: bad, retry: 1}\n",
    "- {name: bad, labels: ['no label']}\n",
    "- {name: bad, destination: nowhere}\n",
    "- {name: bad, body: '${{ vars.none }}'}\n",
    "- {name: bad\n",
    "- name: bad\n body: 1\n",
    "- name: 'bad\n",
    "- &a {name: anchored}\n",
    "- {name: anchored, labels: *a}\n",
    "- {name: rows, forEach: {items: [a, b]}, key: '${{ row }}', body: '${{ row }}'}\n",
    "- {name: many, matrix: {m: [1, 2]}, key: '${{ matrix.m }}'}\n",
    "- {name: none, forEach: {items: []}, key: '${{ row }}'}\n",
    "- {name: file, bodyFile: body.json}\n",
    "- {name: file, bodyFile: missing.json}\n",
    "- {name: wide, body: 'a ${{ vars.wide }}'}\n",
    "- {name: wide, body: 9007199254740993}\n",
    "- {name: timed, notBefore: '2027-01-01T00:00:00Z', delay: 5s}\n",
    "- {name: own, workflowRunId: own-n1}\n",
    "- {name: own, workflowRunId: wfr_own-n2}\n",
    "- {name: keyed, key: a}\n",
    "- {name: two, body: 1, bodyText: a}\n",
    "- ~\n",
    "-\n",
    "- text\n",
    "- - nested\n",
    "- {name: two, body: 1}\n- {name: two, body: 2}\n",
)
"""What no piece can hold, or only a whole can judge; some are sound all the same."""
AFTER = ("", "  policy: {onRemove: forget}\n", "other: 1\n", "  # the end", "---\n", "...\n", "  - {name: out}\n")
"""What may follow a list."""


ITEMS = [f"- name: n{number:03}\n  body: {{n: {number}, text: '{'x' * 60}'}}\n" for number in range(100)]
ORDERS = {"sorted": ITEMS, "unsorted": random.Random(1).sample(ITEMS, 100)}


def edited(items: Sequence[str], at: int, *more: str, instead: int = 1) -> str:
    """The manifest of these items with others at a place, instead of so many."""
    return text_of([*items[:at], *more, *items[at + instead :]])


def changed_at(items: Sequence[str], at: int) -> str:
    """The manifest of such items as above with another body at a place."""
    return edited(items, at, items[at].replace("text", "other"))
