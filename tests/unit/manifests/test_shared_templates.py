"""Runs that share what they say come to what each comes to alone: the same addresses, identities, requests and
diagnostics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.declared import declared_runs
from tests.support.shared_values import copied
from wfdeploy.manifests.expand import runs, templates
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.project import Project, ServerSettings

keys = st.text('aZ 9-"\\\u00e4\u2028\U0001f600', max_size=6)
special = st.sampled_from(["\0", "${{ vars.x }}", "${{ secrets.S }}", "${{ vars.missing }}", "$${{", "1" * 20])


def often(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: other if number == 7 else usual)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**10) | often(keys, special),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
odd = copied(st.sampled_from([0.5, 1.0, 2**53, 1e21, {"\ue000": 1}]))
bodies = often(st.one_of(values, st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3)), odd)
SOUND: dict[str, list[Any]] = {
    "retries": [None, 0, 3, 3.0],
    "delay": ["5s", None],
    "notBefore": ["2026-12-01T06:00:00Z"],
    "destination": ["https://b.example", "https://b.example/${{ vars.x }}"],
    "failureUrl": ["https://b.example", "https://a.example/${{ vars.x }}"],
    "labels": [["a"], ["b"]],
    "headers": [{"X-A": "b"}, {"X-A": "${{ secrets.S }}"}, {"x-a": None}],
    "contentType": ["text/csv", "text/plain", None],
    "redact": [{"body": True}],
}
UNSOUND: dict[str, list[Any]] = {
    "delay": ["never"],
    "notBefore": ["2026-13-01T06:00:00Z"],
    "destination": ["no url", "https://${{ vars.missing }}"],
    "failureUrl": ["https://${{ vars.missing }}"],
    "headers": [{"X A": "b"}, {"X-A": "a\nb"}],
    "labels": [["a b"]],
    "contentType": ["no type"],
    "bodyText": ["text"],
}
OF_ROWS: dict[str, list[Any]] = {
    "labels": [["${{ row.k }}"], ["l-${{ row.n }}"]],
    "headers": [{"X-N": "${{ row.n }}"}, {"X-N": "${{ row.v | tojson }}"}],
    "destination": ["https://b.example/${{ row.n }}", "${{ row.n }}"],
    "retries": [2],
    "matrix": [{"m": [1]}, {"m": [1, 2]}],
}


def some(fields: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    one = [copied(st.just({name: value})) for name, given_ in fields.items() for value in given_]
    return st.lists(st.one_of(one), max_size=2).map(lambda found: {key: one[key] for one in found for key in one})


names = st.sampled_from(["a", "b.c", "d--e", "f_g", "A"]) | st.from_regex(r"[a-z][a-z0-9-]{0,50}[a-z]", fullmatch=True)


def listed(own: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    head = st.fixed_dictionaries({"name": names}, optional={"body": bodies})
    return st.tuples(head, own).map(lambda parts: {**parts[0], **parts[1]})


generated = st.tuples(
    st.fixed_dictionaries(
        {
            "name": names,
            "key": often(st.sampled_from(["${{ row.k }}", "${{ row.k }}--@é"]), st.just("${{ row.v }}")),
            "items": st.lists(
                st.fixed_dictionaries(
                    {"k": st.sampled_from("abcdefgh"), "n": st.sampled_from([1, 2]), "v": often(values, odd)}
                ),
                min_size=1,
                max_size=4,
                unique_by=lambda row: row["k"],
            ),
        },
        optional={
            "body": often(
                copied(st.sampled_from(["${{ row }}", "${{ row.v }}", {"a": "${{ row.v }}"}, {"a": 1}, None])),
                copied(st.sampled_from([{"a": "${{ secrets.S }}"}, "${{ row.missing }}"])),
            )
        },
    ),
    some(OF_ROWS),
).map(lambda parts: {**parts[0], **parts[1]})


def entries(*of: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.one_of(*of), min_size=1, max_size=7, unique_by=lambda entry: entry["name"])


# Mostly there is nothing wrong, and a few of them differ in one field or another.
alike = st.lists(some(SOUND), min_size=2, max_size=3).flatmap(lambda pool: entries(listed(st.sampled_from(pool))))
together = st.one_of(
    alike, entries(listed(some(SOUND)), generated), often(entries(listed(some(SOUND))), entries(listed(some(UNSOUND))))
)


def written(spec: dict[str, Any], given_: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[int]]]:
    """The lines of a manifest, and for each run that is listed and each row the lines that are its own."""
    lines = ["apiVersion: wfdeploy/v1", "kind: RunGroup", "metadata: {name: g-1}", "spec:"]
    lines += [f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in spec.items()] + ["  runs:"]
    alone: list[list[int]] = []
    for entry in given_:
        rows = entry.get("items")
        if rows is None:
            alone.append([len(lines)])
            lines.append(f"  - {json.dumps(entry, ensure_ascii=False)}")
            continue
        fields = [
            f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in entry.items() if name != "items"
        ]
        head = [f"  - {fields[0]}", *(f"    {field}" for field in fields[1:]), "    forEach:", "      items:"]
        of_entry = list(range(len(lines), len(lines) + len(head)))
        lines += head
        alone += [[*of_entry, len(lines) + number] for number in range(len(rows))]
        lines += [f"      - {json.dumps(row, ensure_ascii=False)}" for row in rows]
    return lines, alone


class Outcome:
    """What a manifest comes to."""

    def __init__(self, root: Path, lines: Sequence[str], *, max_bytes: int, keep: int = 1000) -> None:
        (root / "manifests").mkdir(exist_ok=True)
        (root / "manifests" / "m.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        server = ServerSettings(max_message_bytes=max_bytes)
        project = Project(root=root, vars={"x": "5s"}, secrets=("S",), server=server)
        self.said: set[Diagnostic] = set(validate(project, how=Loading(cwd=root)))
        self.runs: dict[str, object] = {}
        if not any(one.is_error for one in self.said):
            with load_manifests(project, how=Loading(cwd=root, keep=keep)) as manifests:
                for run, declared in zip(manifests.runs.runs(), declared_runs(manifests), strict=True):
                    identity = run._replace(number=0, source=run.source._replace(entry=0))
                    self.runs[run.address] = identity, declared.request


def alone(root: Path, lines: list[str], units: list[list[int]], *, max_bytes: int) -> Iterator[Outcome]:
    """Each run at its place, where all the others are but comments."""
    of_any = {line for unit in units for line in unit}
    for unit in units:
        only = [f"# {line}" if n in of_any and n not in unit else line for n, line in enumerate(lines)]
        yield Outcome(root, only, max_bytes=max_bytes)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=100, deadline=None)
@given(
    spec=st.fixed_dictionaries(
        {"destination": often(st.sampled_from(["https://a.example", "https://a.example/${{ vars.x }}"]), special)},
        optional={
            "defaults": often(some(SOUND), some(UNSOUND)),
            "identity": copied(st.sampled_from([{"include": ["labels"]}, {"exclude": ["headers.x-a"]}])),
        },
    ),
    given_=together,
    most=st.sampled_from([1, 2, 1000]),
    max_bytes=often(st.just(1_000_000), st.just(40)),
    keep=st.sampled_from([0, 1000]),
)
def test_runs_come_to_what_each_comes_to_alone(
    spec: dict[str, Any], given_: list[dict[str, Any]], most: int, max_bytes: int, keep: int
) -> None:
    lines, units = written(spec, given_)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder).resolve()
        patch.setattr(runs, "MOST_TEMPLATES", most)
        patch.setattr(templates, "_MOST_TEMPLATES", most)
        found = Outcome(root, lines, max_bytes=max_bytes, keep=keep)
        each = list(alone(root, lines, units, max_bytes=max_bytes))
    event("sound" if found.runs else "unsound")
    assert found.said == {one for outcome in each for one in outcome.said}
    if found.runs:
        assert found.runs == {address: run for outcome in each for address, run in outcome.runs.items()}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(
    specs=st.lists(
        st.fixed_dictionaries(
            {"destination": st.sampled_from(["https://a.example", "https://a.example/${{ vars.x }}"])},
            optional={"defaults": often(some(SOUND), some(UNSOUND))},
        ),
        min_size=1,
        max_size=2,
    ),
    groups=st.lists(together, min_size=2, max_size=3),
    most=st.sampled_from([1, 1000]),
)
def test_groups_come_to_what_each_comes_to_alone(
    specs: list[dict[str, Any]], groups: list[list[dict[str, Any]]], most: int
) -> None:
    parts = [written(specs[number % len(specs)], given_)[0] for number, given_ in enumerate(groups)]
    parts = [[line.replace("g-1", f"g-{number}") for line in part] for number, part in enumerate(parts)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder).resolve()
        patch.setattr(runs, "MOST_TEMPLATES", most)
        found, *each = (
            Outcome(
                root,
                [
                    line
                    for number, part in enumerate(parts)
                    for line in ("---", *(part if only in (None, number) else [f"# {line}" for line in part]))
                ],
                max_bytes=1000,
            )
            for only in (None, *range(len(parts)))
        )
    event("sound" if found.runs else "unsound")
    assert found.said == {one for outcome in each for one in outcome.said}
    if found.runs:
        assert found.runs == {address: run for outcome in each for address, run in outcome.runs.items()}


def test_kinds_of_runs_that_take_turns(tmp_path: Path) -> None:
    given_ = [{"name": f"r-{n}", "body": {"n": n}, "retries": n % 3, "labels": [f"l{n % 5}"]} for n in range(30)]
    lines, units = written({"destination": "https://a.example"}, given_)
    found = Outcome(tmp_path, lines, max_bytes=1000)
    assert len(found.runs) == 30
    assert found.runs == {
        address: run
        for outcome in alone(tmp_path, lines, units, max_bytes=1000)
        for address, run in outcome.runs.items()
    }
