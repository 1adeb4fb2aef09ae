"""Requests of desired runs: held, or read from their files again, and never another run's."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.requests import request_of
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import CacheDamaged, InvalidInput
from wfdeploy.manifests import requests as subject
from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.manifests.manifests import Manifests, load_manifests
from wfdeploy.manifests.reading import Loading
from wfdeploy.manifests.requests import Requests
from wfdeploy.model.address import Address
from wfdeploy.model.project import Project
from wfdeploy.model.request import Body, BodyKind, Request, SecretRef, SecretText
from wfdeploy.model.run import DeclaredRun, DesiredRun, Group, Source

HEAD = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: %s}\nspec:\n  destination: https://a.example.com\n"
FILES = {
    "manifests/a.yaml": f"{HEAD % 'a'}  runs:\n    - {{name: x, body: 1}}\n    - {{name: y, body: 2, retries: 1}}\n"
    f"---\n{HEAD % 'b'}  runs: [{{name: x, body: 3}}]\n"
    "---\n"
    f"---\n{HEAD % 'c'}  runs:\n    - {{name: first, body: 4}}\n"
    "    - {name: rows, forEach: {file: ../rows.csv}, matrix: {m: [1, 2]}, key: '${{ row.id }}-${{ matrix.m }}',\n"
    "       body: ['${{ row.id }}', '${{ matrix.m }}'], labels: ['l-${{ row.id }}']}\n"
    "    - {name: last, body: 5}\n",
    "manifests/b.yaml": f"{HEAD % 'd'}  runs: [{{name: x, body: 6}}, {{name: y}}]\n",
    "rows.csv": "id\nr1\nr2\nr3\n",
}


def put(root: Path) -> Project:
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return Project(root=root)


def in_order(manifests: Manifests) -> list[DesiredRun]:
    return sorted(manifests.runs.runs(), key=lambda run: (run.file, run.number))


def body(value: Any) -> Body:
    return Body(BodyKind.JSON, value)


EXPECTED = {
    "a/x": body(1),
    "a/y": body(2),
    "b/x": body(3),
    "c/first": body(4),
    **{f"c/rows[r{row}-{m}]": body([f"r{row}", m]) for row in (1, 2, 3) for m in (1, 2)},
    "c/last": body(5),
    "d/x": body(6),
    "d/y": Body(),
}


@pytest.fixture(params=["held", "not held", "held in part", "of a cache"])
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manifests]:
    """However the requests are come by."""
    project = put(tmp_path)
    cache = Cache(tmp_path / "cache", b"key") if request.param == "of a cache" else None
    if cache is not None:
        load_manifests(project, how=Loading(cwd=tmp_path, cache=cache)).close()
    keep = {"held in part": 4, "not held": 0}.get(request.param, 1000)
    with load_manifests(project, how=Loading(cwd=tmp_path, cache=cache, keep=keep)) as loaded:
        yield loaded


def test_each_gives_them_in_order_with_what_came_along(manifests: Manifests) -> None:
    runs = in_order(manifests)
    assert [run.address for run in runs] == list(EXPECTED)
    pairs = [(f"key of {run.address}", run) for run in runs]
    found = list(manifests.requests.each(pairs))
    assert [(key, run) for key, run, _ in found] == pairs
    assert {run.address: request.body for _, run, request in found} == EXPECTED
    assert found[1][2].template.delivery.retries == 1
    assert found[5][2].template.delivery.labels == ("l-r1",)


WANTED = [(1,), (0, 2), (2,), (4,), (5, 8), (4, 9), (3, 5, 6, 10, 11), (12,), (0, 12), (), tuple(range(1, 12))]


@pytest.mark.parametrize("wanted", WANTED)
def test_each_gives_those_that_are_wanted(manifests: Manifests, wanted: Sequence[int]) -> None:
    runs = [in_order(manifests)[position] for position in wanted]
    found = list(manifests.requests.each((run.number, run) for run in runs))
    assert [(number, run.address) for number, run, _ in found] == [(run.number, run.address) for run in runs]
    assert [request.body for _, _, request in found] == [EXPECTED[run.address] for run in runs]


def test_one_is_found_alone_in_any_order(manifests: Manifests) -> None:
    runs = in_order(manifests)
    for run in (*reversed(runs), *runs[::3]):
        assert manifests.requests.of(run).body == EXPECTED[run.address]


def test_no_run_is_taken_long_before_it_is_given(manifests: Manifests) -> None:
    """Whoever asks goes through a list of changes that may be very long."""
    taken: list[DesiredRun] = []

    def pairs() -> Iterator[tuple[None, DesiredRun]]:
        for run in in_order(manifests):
            taken.append(run)
            yield None, run

    for count, _ in enumerate(manifests.requests.each(pairs()), start=1):
        assert len(taken) <= count + 1


def test_a_file_that_has_changed_is_told(tmp_path: Path) -> None:
    project = put(tmp_path)
    with (
        load_manifests(project, how=Loading(cwd=tmp_path)) as held,
        load_manifests(project, how=Loading(cwd=tmp_path, keep=0)) as manifests,
    ):
        (tmp_path / "manifests" / "b.yaml").write_text(FILES["manifests/b.yaml"].replace("6", "7"))
        runs = in_order(manifests)
        assert held.requests.of(in_order(held)[-2]).body == EXPECTED["d/x"], "what is held is what was read"
        for ask in (
            lambda: manifests.requests.of(runs[-1]),
            lambda: list(manifests.requests.each((None, run) for run in runs)),
        ):
            with pytest.raises(InvalidInput) as raised:
                ask()
            assert [(one.code, one.place.file) for one in raised.value.diagnostics] == [
                ("file-changed", "manifests/b.yaml")
            ]


@pytest.mark.parametrize("cached", [False, True])
def test_data_that_has_changed_is_told(tmp_path: Path, cached: bool) -> None:
    project = put(tmp_path)
    cache = Cache(tmp_path / "cache", b"key") if cached else None
    load_manifests(project, how=Loading(cwd=tmp_path, cache=cache)).close()
    with load_manifests(project, how=Loading(cwd=tmp_path, cache=cache, keep=0)) as manifests:
        (tmp_path / "rows.csv").write_text("id\nr1\nr4\nr3\n")
        given_ = manifests.requests.each((None, run) for run in in_order(manifests))
        # Of a file that this command hasn't read yet, only its runs tell that it is another one.
        with pytest.raises(CacheDamaged if cached else InvalidInput) as raised:
            list(given_)
        if isinstance(raised.value, InvalidInput):
            assert [one.code for one in raised.value.diagnostics] == ["file-changed"]
        else:
            assert "c/rows[r2-1] is not what it says" in raised.value.message


# --- what a file is found to hold when it is read again ----------------------------------------------------------

GROUP = Group("g")


def declared(name: str, value: Any = 1, at: str = "") -> DeclaredRun:
    return DeclaredRun(Address(f"g/{name}{at}"), GROUP, Source("m.yaml", 1), request_of(body=body(value)))


Reread = Callable[..., Iterator[tuple[int, DeclaredRun]]]


def holding(*files: Sequence[tuple[int, DeclaredRun]], asked: list[int] | None = None) -> Reread:
    """Files with these runs. As generators do, it may ask for a number more than once."""

    def reread(
        file: int, at_s: int | None, /, *, wanted: Container[int] | None = None, former: bool = False
    ) -> Iterator[tuple[int, DeclaredRun]]:
        if asked is not None:
            asked.append(file)
        for number, run in files[file]:
            if wanted is None or (number in wanted and number in wanted):
                yield number, run

    return reread


def desired(number: int, run: DeclaredRun, file: int = 0, at_s: int | None = None) -> DesiredRun:
    return identify(run, file, number)._replace(at_s=at_s)


RUNS = [(3, declared("a")), (7, declared("b")), (8, declared("c")), (2**32, declared("d"))]


@given(st.sets(st.sampled_from(RUNS).map(lambda pair: pair[0])), st.booleans())
def test_numbers_that_are_asked_for_twice_are_one_run(numbers: set[int], other_file: bool) -> None:
    requests = Requests(holding(RUNS, RUNS), most=0)
    wanted = [desired(number, run, file) for file in range(1 + other_file) for number, run in RUNS if number in numbers]
    assert [run for _, run, _ in requests.each((None, run) for run in wanted)] == wanted


def test_a_file_is_read_once_for_all_that_is_wanted_of_it() -> None:
    asked: list[int] = []
    requests = Requests(holding(RUNS, RUNS, asked=asked), most=0)
    wanted = [desired(number, run, file) for file in (0, 1) for number, run in RUNS]
    assert len(list(requests.each((None, run) for run in wanted))) == 8
    assert asked == [0, 1]
    for run in wanted[:4]:
        requests.of(run)
    assert asked == [0, 1, 0]


def test_what_is_remembered_is_not_read_again() -> None:
    requests = Requests(lambda *_args, **_options: pytest.fail("read again"))
    runs = [desired(number, run) for number, run in RUNS]
    for run, (_, known) in zip(runs, RUNS, strict=True):
        requests.remember(run, known.request)
    assert [request for _, _, request in requests.each((None, run) for run in runs)] == [run.request for _, run in RUNS]
    assert all(requests.of(run).template is known.request.template for run, (_, known) in zip(runs, RUNS, strict=True))


@pytest.mark.parametrize("shrink", [True, False])
def test_what_is_remembered_waits_on_disk(monkeypatch: pytest.MonkeyPatch, shrink: bool) -> None:
    monkeypatch.setattr(subject, "_IN_MEMORY", 2)
    requests = Requests(lambda *_args, **_options: pytest.fail("read again"), shrink=shrink)
    bodies = [body({"b": n, "a": [n]}) for n in range(200)]
    bodies[150] = Body(BodyKind.TEXT, "a\nb")
    bodies[160] = bodies[161] = body({"c": "x" * 2000})
    bodies[163] = bodies[160]
    bodies[170] = body({"a": SecretText(("x", SecretRef("S")))})
    runs = [
        (3 * n, declared(f"r{n}")._replace(request=request_of(body=one, retries=n))) for n, one in enumerate(bodies)
    ]
    for number, run in runs:
        requests.remember(desired(number, run, file=number // 200), run.request)
        if number == 201:  # the second file is read once more
            requests.forget(1)
            requests.remember(desired(number, run, file=1), run.request)
    for number, run in reversed(runs):
        found = requests.of(desired(number, run, file=number // 200))
        assert found == run.request
        assert found.template is run.request.template
        assert str(found.body.value) == str(run.request.body.value) or shrink
        assert found.body is run.request.body or number // 3 not in (160, 161, 163)


def test_of_a_file_that_is_too_long_nothing_is_held() -> None:
    asked: list[int] = []
    requests = Requests(holding(RUNS, RUNS[:2], asked=asked), most=3)
    first, second = ([desired(n, run, file) for n, run in runs] for file, runs in ((0, RUNS), (1, RUNS[:2])))
    for wanted in (first, second):
        for run in wanted:
            requests.remember(run, request_of(body=body(1)))
    assert len(list(requests.each((None, run) for run in (*first, *second)))) == 6
    assert asked == [0], "there is room for the second one again"


@given(st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)), st.sampled_from([0, 2, 1000]))
def test_what_was_fetched_is_at_hand_and_changes_nothing(fetched: set[int], wanted: set[int], most: int) -> None:
    asked: list[int] = []
    requests = Requests(holding(RUNS, RUNS, asked=asked), most=most)
    runs = [desired(number, run, file) for file in (0, 1) for number, run in RUNS]
    requests.fetch([runs[n] for n in (*fetched, *(n + 4 for n in fetched))])
    assert len(asked) == len(set(asked)) <= 2 * bool(fetched)
    if most == 1000:
        asked.clear()
        assert [requests.of(runs[n]) for n in fetched] == [RUNS[n][1].request for n in fetched]
        assert not asked
    found = requests.each((n, runs[n]) for n in sorted((*wanted, *(n + 4 for n in wanted))))
    assert [(n, run, request) for n, run, request in found] == [
        (n, runs[n], RUNS[n % 4][1].request) for n in sorted((*wanted, *(n + 4 for n in wanted)))
    ]


ANOTHER: dict[str, list[tuple[int, DeclaredRun]]] = {
    "says another thing": [(3, declared("a")), (7, declared("b", 2)), (8, declared("c"))],
    "has another name": [(3, declared("a")), (7, declared("x")), (8, declared("c"))],
    "is missing": [(3, declared("a")), (8, declared("c"))],
    "is missing, with all after it": [(3, declared("a"))],
    "stands elsewhere": [(3, declared("a")), (6, declared("b")), (8, declared("c"))],
}


@pytest.mark.parametrize("what", ANOTHER)
@pytest.mark.parametrize("last", [False, True])
def test_another_run_is_never_taken_for_it(what: str, last: bool) -> None:
    requests = Requests(holding(ANOTHER[what]), most=0)
    first, second, third = (desired(number, run) for number, run in RUNS[:3])
    assert requests.of(first) == RUNS[0][1].request
    with pytest.raises(CacheDamaged, match="g/b is not what it says"):
        requests.of(second)
    given_ = requests.each((None, run) for run in (first, second, *([] if last else [third])))
    assert next(given_)[1] == first
    with pytest.raises(CacheDamaged, match="g/b is not what it says"):
        list(given_)


def test_runs_that_a_file_has_not_are_told_and_not_passed_over() -> None:
    requests = Requests(holding([]), most=0)
    run = desired(3, RUNS[0][1])
    with pytest.raises(CacheDamaged, match="g/a"):
        list(requests.each([(None, run)]))
    with pytest.raises(CacheDamaged, match="g/a"):
        requests.of(run)
    assert list(requests.each([])) == []


# --- instances ---------------------------------------------------------------------------------------------------


def recurring(asked: list[tuple[int, int | None]]) -> Reread:
    def reread(
        file: int, at_s: int | None, /, *, wanted: Container[int] | None = None, former: bool = False
    ) -> Iterator[tuple[int, DeclaredRun]]:
        asked.append((file, at_s))
        for number, name in ((0, "a"), (1, "b")):
            if wanted is None or number in wanted:
                yield number, declared(name, at_s, f"@{at_s}")

    return reread


@pytest.mark.parametrize(("most", "reads"), [(1000, 0), (1, 2), (0, 2)])
def test_instances_have_the_requests_of_their_time(most: int, reads: int) -> None:
    asked: list[tuple[int, int | None]] = []
    requests = Requests(recurring(asked), most=most)
    runs = [desired(number, run, at_s=at_s) for at_s in (60, 120) for number, run in requests.instances(0, at_s)]
    assert list(requests.instances(0, 120)) == list(requests.instances(0, 120))
    assert asked == [(0, 60), (0, 120)], "one time is made once for all who ask for it"
    found = {run.address: request for _, run, request in requests.each((None, run) for run in runs)}
    assert {address: request.body.value for address, request in found.items()} == {
        "g/a@60": 60, "g/b@60": 60, "g/a@120": 120, "g/b@120": 120,
    }  # fmt: skip
    assert len(asked) - 2 == reads
    for run in runs:
        request: Request = requests.of(run)
        assert request == found[run.address]
