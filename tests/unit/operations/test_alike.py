"""Runs that are alike are read together, and come to what they come to one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.shared_values import copied
from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.model.alike import DeclaredAlike, DesiredAlike
from wfdeploy.model.canonical import even_json, even_texts
from wfdeploy.model.document import Document, Finding
from wfdeploy.model.event import Event
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.model.shard import Shard, parse_shard
from wfdeploy.operations import parsing
from wfdeploy.operations.parallel.parcels import Packer, Parcel
from wfdeploy.operations.reading import Reading, Wanted
from wfdeploy.pipeline.expand import alike
from wfdeploy.pipeline.expand.alike import Made
from wfdeploy.pipeline.expand.runs import expand
from wfdeploy.upstash.encoding import encoder

keys = st.text('aZ 9-"\\\u00e4\u2028\U0001f600', max_size=6)
special = st.sampled_from(["\0", "${{ vars.x }}", "${{ secrets.S }}", "${{ vars.missing }}", "$${{", "1" * 20])


def often(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: other if number == 7 else usual)


texts = often(keys, special)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**10) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
plain = st.integers(0, 9) | st.text("abc", max_size=3)
bodies = st.one_of(values, st.dictionaries(st.sampled_from("abc"), plain, max_size=3))
SOUND: dict[str, list[Any]] = {
    "retries": [None, 0, 3, 3.0],
    "delay": ["5s", None],
    "notBefore": ["2026-12-01T06:00:00Z"],
    "failureUrl": ["https://b.example", "https://a.example/${{ vars.x }}"],
    "labels": [["a"]],
    "headers": [{"X-A": "b"}, {"X-A": "${{ secrets.S }}"}],
    "contentType": ["text/csv"],
    "redact": [{"body": True}],
}
UNSOUND: dict[str, list[Any]] = {
    "delay": ["never"],
    "notBefore": ["2026-13-01T06:00:00Z"],
    "failureUrl": ["https://${{ vars.missing }}"],
    "labels": [["a b"]],
    "contentType": ["no type"],
    "bodyText": ["text"],
    "workflowRunId": ["mine"],
}


def some(fields: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    one = [copied(st.just({name: value})) for name, values in fields.items() for value in values]
    return st.lists(st.one_of(one), max_size=2).map(lambda found: {key: one[key] for one in found for key in one})


own = often(some(SOUND), some(UNSOUND))
odd = copied(st.sampled_from([0.5, 2**53, 1e21, {"\ue000": 1}]))
rarely = often(copied(st.just({})), own)
names = st.sampled_from(["a", "b.c", "d--e", "f_g", "A"]) | st.from_regex(r"[a-z][a-z0-9-]{0,50}[a-z]", fullmatch=True)
keyed = st.fixed_dictionaries({"k": st.sampled_from("abcdefgh"), "v": often(values, odd)})
generated = st.fixed_dictionaries(
    {
        "name": names,
        "forEach": st.fixed_dictionaries(
            {"items": st.lists(keyed, min_size=1, max_size=6, unique_by=lambda row: row["k"])}
        ),
        "key": often(st.sampled_from(["${{ row.k }}", "${{ row.k }}--@é"]), st.just("${{ row.v }}")),
    },
    optional={
        "body": often(
            copied(st.sampled_from(["${{ row }}", "${{ row.v }}", {"a": "${{ row.v }}"}, {"a": 1}, None])),
            copied(st.sampled_from([{"a": "${{ secrets.S }}"}, "${{ row.missing }}"])),
        ),
        "retries": st.just(2),
        "labels": rarely.map(lambda _: ["${{ row.k }}"]),
        "matrix": often(copied(st.just({"m": [1]})), copied(st.just({"m": [1, 2]}))),
    },
)
runs = st.lists(
    st.one_of(
        *[st.fixed_dictionaries({"name": names, "body": bodies})] * 4,
        generated,
        *[st.fixed_dictionaries({"name": names, "body": bodies, "retries": st.sampled_from([1, 2])})] * 2,
        st.tuples(st.fixed_dictionaries({"name": names}, optional={"body": bodies}), rarely).map(
            lambda t: {**t[0], **t[1]}
        ),
    ),
    min_size=1,
    max_size=12,
)
specs = st.fixed_dictionaries(
    {
        "destination": often(
            st.sampled_from(["https://a.example", "https://a.example/${{ vars.x }}"]), st.just("no url")
        )
    },
    optional={
        "defaults": rarely,
        "identity": copied(st.sampled_from([{"include": ["labels"]}, {"exclude": ["headers.x-a"]}])),
        "moved": copied(st.just([])),
    },
)


def one_by_one(document: Document, **how: Any) -> Iterator[Made]:
    return expand(document, **how)


class Told:
    """What a reading comes to, and how much of it came together."""

    def __init__(self, root: Path, *, shard: Shard | None, max_bytes: int) -> None:
        project = Project(root=root, vars={"x": "5s"}, secrets=("S",))
        server = project.server.__class__(**{**_fields(project.server), "max_message_bytes": max_bytes})
        project = project.__class__(**{**_fields(project), "server": server})
        self.together = 0
        self.remembered: list[tuple[DeclaredRun, DesiredRun]] = []
        self.parcels: list[Parcel | None] = []
        self.events: list[Event] = []
        packer = Packer(project, encoder)
        wanted = Wanted(
            project=project,
            paths=["m.yaml"],
            cwd=root,
            variables=project.vars,
            stdin=bytes,
            keep=0,
            shard=shard,
            listener=self.events.append,
            key=b"key",
        )

        def remember(declared: Sequence[DeclaredRun], desired: Sequence[DesiredRun]) -> None:
            pairs = list(zip(declared, desired, strict=True))
            self.remembered += pairs
            parcels: Sequence[Parcel | None] | None = None
            if isinstance(declared, DeclaredAlike) and isinstance(desired, DesiredAlike):
                self.together += len(declared)
                parcels = packer.together(declared, desired)
            self.parcels += parcels or [packer(*pair) for pair in pairs]

        self.catalogue = Catalogue(None)
        reading = Reading(wanted, self.catalogue, thorough=False)
        (found,) = reading._find(["m.yaml"])
        reading.take_in(0, found, remember)
        self.catalogue.seal()
        self.said = reading.diagnostics
        self.duplicates = self.catalogue.duplicates
        self.runs = list(self.catalogue.runs())
        self.groups = dict(self.catalogue.groups)
        reading.close()

    def __eq__(self, other: object) -> bool:
        names = ["said", "duplicates"]
        if not any(diagnostic.is_error for diagnostic in self.said):  # else nothing more is done with it
            names += ["remembered", "parcels", "events", "runs", "groups"]
        return isinstance(other, Told) and all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


@contextmanager
def changed(**how: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in how.items():
            patch.setattr(alike if name.isupper() else parsing, name, value)
        yield


def told(data: dict[str, Any], *, shard: Shard | None = None, max_bytes: int = 1_000_000) -> Told:
    """Of a manifest, read with runs together; it is what it is with each run by itself."""
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "m.yaml").write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
        with changed(expand_together=one_by_one):
            alone = Told(root, shard=shard, max_bytes=max_bytes)
        assert not alone.together
        found = Told(root, shard=shard, max_bytes=max_bytes)
    assert found == alone
    return found


def manifest(listed: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    spec = {"destination": "https://a.example", **spec, "runs": listed}
    return {"apiVersion": "wfdeploy/v1", "kind": "RunGroup", "metadata": {"name": "g-1"}, "spec": spec}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    listed=runs,
    spec=specs,
    shard=st.sampled_from([None, None, "1/2", "2/3"]),
    most=st.sampled_from([1, 2, 500]),
    max_bytes=often(st.just(1_000_000), st.just(40)),
    oddly=often(st.none(), odd),
)
def test_together_they_come_to_what_they_come_to_one_by_one(
    listed: list[dict[str, Any]], spec: dict[str, Any], shard: str | None, most: int, max_bytes: int, oddly: Any
) -> None:
    if oddly:
        listed = [*listed, {"name": "odd", "body": oddly}]
    with changed(MOST=most):
        shard_ = None if shard is None else parse_shard(shard)
        found = told(manifest(listed, **spec), shard=shard_, max_bytes=max_bytes)
    event("together" if found.together else "one by one")


def plain_runs(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"r-{n}", "body": {"n": n, "t": f"t{n}"}, **more} for n in range(count)]


def test_most_of_a_list_comes_together() -> None:
    found = told(manifest(plain_runs(1200)))
    assert found.together == 1199  # the first of a kind comes by itself
    assert len(found.runs) == 1200


def test_runs_of_several_kinds_come_together() -> None:
    listed = [{**run, "retries": n % 3} for n, run in enumerate(plain_runs(30))]
    assert told(manifest(listed)).together == 27


def test_another_kind_of_run_among_them_keeps_its_place() -> None:
    listed = plain_runs(9)
    listed[4] = {"name": "text", "bodyText": "text"}
    assert told(manifest(listed)).together == 7


def test_bodies_with_expressions_come_one_by_one() -> None:
    listed = [{**run, "body": {"x": "${{ vars.x }}", "n": n}} for n, run in enumerate(plain_runs(5))]
    found = told(manifest(listed))
    assert not found.together
    assert all(b"5s" in run.request.body.plain() for run, _ in found.remembered)  # type: ignore[operator]


def test_a_destination_with_an_expression_stops_nobody() -> None:
    assert told(manifest(plain_runs(5), destination="https://a.example/${{ vars.x }}")).together == 4


@pytest.mark.parametrize("value", ["x" * 5000, "1" * 20, 10**15 + 1])
def test_what_the_state_records_of_large_bodies_and_long_numbers_stays(value: object) -> None:
    listed = [*plain_runs(2), {"name": "odd", "body": {"v": value}}]
    found = told(manifest(listed))
    assert found.together == 2
    assert [parcel is not None and "sha256:" in parcel.own for parcel in found.parcels][2] is (value == "x" * 5000)


@pytest.mark.parametrize("shard", ["1/3", "2/3", "3/3"])
def test_of_a_shard_they_come_together_too(shard: str) -> None:
    found = told(manifest(plain_runs(60)), shard=parse_shard(shard))
    assert 0 < found.together < 60


def test_what_is_wrong_with_one_is_told_at_its_place() -> None:
    listed = [*plain_runs(4), {"name": "large", "body": "x" * 200}, {"name": "r-1", "body": {}}]
    found = told(manifest(listed), max_bytes=100)
    assert [one.code for one in found.said] == ["message-too-big"]
    assert not told(manifest(plain_runs(4)), max_bytes=100).said


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    items = [{"k": f"k{n}", "n": n} for n in range(count)]
    return [{"name": "r", "forEach": {"items": items}, "key": "${{ row.k }}", "body": "${{ row }}", **more}]


def test_runs_of_rows_and_combinations_come_together() -> None:
    assert told(manifest(rows(9))).together == 8
    assert told(manifest(rows(4, matrix={"m": [1, 2]}, key="${{ row.k }}-${{ matrix.m }}"))).together == 7
    assert told(manifest([*plain_runs(3), *rows(3), {"name": "last", "body": {}}])).together == 2 + 2 + 1


@pytest.mark.parametrize("more", [{"labels": ["${{ row.k }}"]}, {"destination": "https://a.example/${{ row.k }}"}])
def test_runs_that_differ_in_more_than_their_bodies_come_one_by_one(more: dict[str, Any]) -> None:
    assert not told(manifest(rows(9, **more))).together


def test_rows_that_numbers_have_several_forms_in_come_one_by_one() -> None:
    listed = rows(9)
    listed[0]["forEach"]["items"][5]["n"] = 0.5
    assert not told(manifest(listed)).together
    listed[0]["body"] = "${{ row.k }}"
    assert told(manifest(listed)).together == 8


def test_two_of_one_name_are_noticed() -> None:
    assert told(manifest([*plain_runs(4), {"name": "r-1", "body": {}}])).duplicates


def test_nothing_comes_together_where_numbers_have_several_forms() -> None:
    assert not told(manifest([*plain_runs(4), {"name": "f", "body": 0.5}])).together


def gathered(data: dict[str, Any]) -> list[DeclaredAlike]:
    """What comes together of a manifest."""
    found: list[DeclaredAlike] = []

    def noted(document: Document, findings: list[Finding], **how: Any) -> Iterator[Made]:
        from wfdeploy.pipeline.expand.runs import expand_together

        for made in expand_together(document, findings=findings, **how):
            if isinstance(made, DeclaredAlike):
                found.append(made)
            yield made

    with changed(expand_together=noted):
        told(data)
    return found


def test_large_bodies_are_few_at_a_time() -> None:
    assert max(len(some) for some in gathered(manifest(plain_runs(1500)))) == 500
    large = [{**run, "body": "x" * 200} for run in plain_runs(120)]
    with changed(MOST_CHARACTERS=5000):
        assert [len(some) for some in gathered(manifest(large))] == [50, 24, 24, 21]
    with changed(MOST_CHARACTERS=100):
        assert [len(some) for some in gathered(manifest(large[:55]))] == [50, 1, 1, 1, 1]


def test_they_are_a_sequence_of_runs() -> None:
    (together,) = gathered(manifest(plain_runs(5)))
    assert [run.address for run in together] == [f"g-1/r-{n}" for n in range(1, 5)]
    assert together[1] == list(together)[1]
    assert together[-1] == list(together)[-1]
    assert together[1:3] == list(together)[1:3]
    with pytest.raises(IndexError):
        together[4]


@given(st.lists(values | copied(st.sampled_from(["\0", ["\0"], ["a", "\0", "b"], {"\0": "\0"}])), max_size=6))
def test_texts_are_what_each_value_is_written_as(values: list[Any]) -> None:
    assert even_texts(values) == [even_json(value).decode() for value in values]
