"""Manifests: refused with a place inside of them, or the same runs by every way that there is to read them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import Damage
from tests.fuzz.project import CANARY, dumped, project, samples, values_of
from tests.fuzz.sound import check_diagnostics, check_error
from tests.support.declared import declared_runs
from wfdeploy.catalogue.entries import Cache
from wfdeploy.documents import pieces, yaml_docs
from wfdeploy.errors import WfdeployError
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.manifests.requests import HELD
from wfdeploy.model.document import Document, SourceFile
from wfdeploy.model.project import Project

PIECES: list[Any] = [
    "10s", "-1s", "2026-12-01T06:00:00Z", "${{ row.id }}", "${{ row }}", "${{ matrix.region }}", "${{ vars.regions }}",
    "${{ vars.limits }}", "${{ secrets.APP_TOKEN }}", "${{ vars.app_url | upper }}", "../data/users.csv", "link",
    "../.env", "../../secret.txt", "../data/bad.csv", "payload.json", "full/acme", "full", "https://a", "retry", "row",
    "name", "body", {"from": "a", "to": "b"}, {"file": "../data/users.csv", "key": "${{ row.id }}"}, ["a", "a"],
    {"cron": "* * * * *"},
    {"pattern": "^(a+)+$"}, {"type": "object", "properties": {"a": {"$ref": "#"}}}, {"$ref": "https://a/b"},
    "x{1000000}",
]  # fmt: skip


def damaged(damage: Damage, sound: list[bytes], all_: list[bytes]) -> bytes:
    rng = damage.rng
    if rng.random() < 0.02:
        return damage.nested()
    if rng.random() < 0.45:
        return damage.octets(rng.choice(all_), all_)
    documents = values_of(rng.choice(sound))
    documents[0] = damage.value(documents[0], PIECES)
    return b"\n---\n".join(damage.encoded(one) if rng.random() < 0.4 else dumped(one) for one in documents)


def declared(root: Project, cache: Cache | None, keep: int = HELD) -> dict[str, tuple[str, str, str]]:
    with load_manifests(root, ["valid/fuzzed.yaml"], how=Loading(cwd=root.root, cache=cache, keep=keep)) as manifests:
        requests = {run.address: repr(run.request) for run in declared_runs(manifests)}
        return {run.address: (run.fingerprint, run.delivery, requests[run.address]) for run in manifests.runs.runs()}


def test_manifests_are_refused_or_mean_one_thing() -> None:
    sound, all_ = samples("valid"), samples("valid", "invalid")
    with project() as root:
        file, cache = root.root / "valid" / "fuzzed.yaml", Cache.of(root.root.parent / "cache", b"secret")

        def example(rng: random.Random, done: Hunt) -> None:
            data = done.input = damaged(Damage(rng), sound, all_)
            file.write_bytes(data)
            try:
                found = validate(root, ["valid/fuzzed.yaml"], how=Loading(cwd=root.root))
            except WfdeployError as error:
                check_error(error)
                done.note("failed")
                return
            check_diagnostics(found)
            lines = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
            for diagnostic in found:
                assert CANARY not in str(diagnostic)
                if diagnostic.place.file == "valid/fuzzed.yaml":
                    assert diagnostic.place.line <= len(lines), diagnostic
            assert list(found) == list(validate(root, ["valid/fuzzed.yaml"], how=Loading(cwd=root.root)))
            if any(diagnostic.is_error for diagnostic in found):
                done.note("refused")
                return
            done.note("accepted")
            runs = declared(root, None)
            assert CANARY not in repr(runs)
            assert declared(root, cache) == runs, "by an empty cache"
            assert declared(root, cache) == runs, "by the cache"
            assert declared(root, None, keep=0) == runs, "read again"

        done = hunt("manifests", 300, example, allowed=root.root.parent)
        assert min(done.outcomes["accepted"], done.outcomes["refused"]) > 20 or done.examples < 250


LISTS = [
    b"""apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: list}
spec:
  destination: https://a
  runs:
%s""" % b"".join(
        indent * b" " + b"- name: r%d\n" % n + indent * b" " + more + b"\n" for n in range(12)
    )
    for indent, more in ((4, b"  body: {a: 1, b: [x, 'y: z']}"), (2, b"  bodyText: |\n      - a\n      - b"),
                         (4, b'  body: "a\\n - b"'), (6, b"  # - name: x\n\n        labels: [a]"))
]  # fmt: skip
STROKES = [
    b"\n---\n",
    b"\n...\n",
    b"    - &a\n",
    b"    - *a\n",
    b"- \n",
    b"      -\n",
    b"'\n",
    b"|\n",
    b"  - {forEach: {items: [1]}}\n",
    b"  b: 1\n",
]


def runs_of(document: Document) -> Any:
    data: Any = document.data
    return data["spec"]["runs"]


def header_of(document: Document) -> Any:
    data: Any = document.data
    return {**data, "spec": {**data["spec"], "runs": None}}


def test_pieces_of_a_manifest_say_what_the_whole_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LONG", 0)
    others = [*samples("valid"), *STROKES]

    def example(rng: random.Random, done: Hunt) -> None:
        data = done.input = Damage(rng).octets(rng.choice(LISTS), others)
        source = SourceFile("f", "f", tmp_path, data.decode("utf-8", "replace"))
        problems: list[Any] = []
        whole = list(yaml_docs.read(source, problems))
        for usual in (1, 2, 3, 7):
            monkeypatch.setattr(pieces, "_USUAL", usual)
            monkeypatch.setattr(pieces, "_MOST", 4 * usual)
            cut = pieces.cut(source)
            read = [] if cut is None else [cut.read(piece) for piece in cut.pieces]
            documents = [document for document in read if document is not None]
            if cut is None or len(documents) < len(read):
                done.note("as a whole")
                continue
            done.note("in pieces")
            assert not problems, "pieces hide what is wrong with the whole"
            (document,) = whole
            assert [run for one in documents for run in runs_of(one)] == runs_of(document)
            assert [one.first_run for one in documents] == [piece.first for piece in cut.pieces]
            assert all(header_of(one) == header_of(document) for one in documents)

    done = hunt("pieces", 400, example, allowed=tmp_path)
    assert done.outcomes["in pieces"] > 20 or done.examples < 250
