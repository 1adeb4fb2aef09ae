"""Large cases: each layout with a thousand runs and more, written the way programs write them.

Long lists are where runs are read, checked and sent many at a time; small projects hardly get there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.vectors.projects import SECRETS, VARIABLES, Project

Layout = Callable[[int], str]
"""The fields of the run of this number below its name, indented by six."""

TEAMS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def _body(*lines: str) -> str:
    return "      body:\n" + "".join(f"        {line}\n" for line in lines)


def scalars(n: int) -> str:
    return _body(f"tenant: t{n % 50}", f"seats: {n * 7 % 1000}", f"note: order {n} of {n % 13}", "active: true")


def corpus(n: int) -> str:
    return _body(
        f"customer: c-{n:06}", f"email: user{n}@example.com", f"plan: {('free', 'pro')[n % 2]}", f"seats: {n % 9}"
    )


def label(n: int) -> str:
    return f"      labels: [{TEAMS[n % 6]}]\n" + scalars(n)


def amounts(n: int) -> str:
    return label(n) + f"        amount: {n * 37 % 10000}.{n % 100:02}\n"


def destination(n: int) -> str:
    return f"      destination: ${{{{ vars.app_url }}}}/wf/{n % 7}\n" + scalars(n)


def destination_of_each(n: int) -> str:
    return f"      destination: https://app.example.com/wf/{n}\n" + scalars(n)


def some(n: int) -> str:
    fields = [f"      retries: {n % 4}\n", f"      delay: {n % 90}s\n", f"      labels: [{TEAMS[n % 6]}, more]\n"]
    return "".join(line for at, line in enumerate(fields) if n >> at & 1) + (scalars(n) if n % 5 else "")


def nested(n: int) -> str:
    lines = [
        f"id: {n}",
        "lines:",
        f"  - {{sku: s{n % 40}, count: {n % 7}}}",
        "  - sku: fixed",
        "    tags: [a, b]",
        "to:",
    ]
    return _body(*lines, f"  street: {n} Main Street", "  geo:", f"    lat: {n % 90}.5", f"    deep: [[{n}], {{}}]")


def flow(n: int) -> str:
    return f"      body: {{tenant: t{n}, seats: {n % 9}, tags: [x, y{n % 3}], deep: {{a: {{b: {n}}}}}}}\n"


def quoted(n: int) -> str:
    return _body(f"'tenant': 't{n}'", f'"note": "line {n}\\n\\u00e9"', f"size: '{n}'", f'yes: "it\'s {n % 3}"')


def comments(n: int) -> str:
    return f"      # run {n}: as agreed\n" + _body(f"tenant: t{n}  # the tenant's", "# in between", f"seats: {n % 9}")


def blocks(n: int) -> str:
    return _body("text: |", f"  first {n}", "    deeper", "", "  last", "folded: >-", f"  one {n}", "  two", f"n: {n}")


def anchors(n: int) -> str:
    shared = "&common {currency: EUR, tags: [a, b]}" if n == 0 else "*common"
    return _body(f"tenant: t{n}", f"common: {shared}")


def long_keys(n: int) -> str:
    return _body(f"? {'k' * 150}", f": {n}", f"{'a-long-key-' * 9}: v{n % 5}", f'? "quoted {n % 3}"', ": [1]")


def delivery(n: int) -> str:
    lines = [f"      retries: {n % 3}", "      flowControl:", f"        key: k{n % 4}", "        parallelism: 3"]
    lines += [f"      headers: {{X-Number: '{n % 10}', X-Team: null}}", "      redact: {body: true}" if n % 3 else ""]
    return "".join(f"{line}\n" for line in lines if line) + scalars(n)


def secrets(n: int) -> str:
    return "      headers: {Authorization: 'Bearer ${{ secrets.APP_TOKEN }}'}\n" + scalars(n)


def in_bodies(n: int) -> str:
    return _body(
        f"tenant: t{n}",
        "region: ${{ vars.region }}",
        f"text: '{n} of ${{{{ vars.seats }}}}'",
        "$${{: x" if n < 0 else "k: v",
    )


def spellings(n: int) -> str:
    spelt = ("1", "0o17", "0x1F", "1e3", "-0.0", "1.50", "null", "~", "True", "yes", "2026-11-30", "12:30", "007", ".5")
    return _body(f"a: {spelt[n % 14]}", f"b: {spelt[n // 14 % 14]}", f"c: {n}.0")


def texts(n: int) -> str:
    return f"      bodyText: text {n} of größe\n      contentType: text/x-{n % 2}\n"


def heavy(n: int) -> str:
    return scalars(n) + f"        filler: {'lorem ipsum ' * 60}{n}\n"


def wrong(n: int) -> str:
    """One in a hundred is: the others go the usual way."""
    if n % 100 == 57:
        return f"      retires: {n}\n" + scalars(n)
    if n % 100 == 91:
        return f"      labels: [not fine {n}]\n" + scalars(n)
    return scalars(n) if n % 400 != 399 else _body("a: ${{ vars.nope }}")


def uneven(n: int) -> str:
    """Every kind of them among the others."""
    kinds = (scalars, flow, nested, quoted, comments, blocks, label, destination, some, delivery, spellings, texts)
    return kinds[n * n % 11 if n % 17 else 11](n)


@dataclass
class Large(Project):
    """A case whose files `make` gives: as they are first, then `edited`."""

    make: Callable[[bool], dict[str, bytes]] = lambda _: {}
    edited: bool = False

    def contents(self) -> dict[str, bytes]:
        return super().contents() | self.make(self.edited)


def edit(project: Project) -> None:
    """What happens between the applies of a large case."""
    assert isinstance(project, Large)
    project.edited = True


def _head(name: str, *more: str) -> str:
    lines = ["apiVersion: wfdeploy/v1", "kind: RunGroup", f"metadata: {{name: {name}}}", "spec:"]
    return "\n".join([*lines, "  destination: https://app.example.com/wf", *more, "  runs:"]) + "\n"


def listed(layout: Layout, count: int, edited: bool, name: str = "long", defaults: str = "", first: int = 0) -> str:
    """A group. Its edit changes some runs, removes some, adds some, and changes the defaults."""
    given = f"  defaults: {{retries: {4 if edited else 3}, {defaults}headers: {{X-Team: growth}}}}"
    runs = []
    for n in range(first, first + count):
        if edited and n % 211 == 5:
            continue
        fields = layout(n + 1_000_000 if edited and n % 307 == 11 and layout is not anchors else n)
        runs.append(f"    - name: run-{n:05}\n{fields}")
        if edited and n % 401 == 7:
            runs.append(f"    - name: added-{n:05}\n{layout(n + 1)}")
    return _head(name, given) + "".join(runs)


def _one_file(layout: Layout, count: int, eol: str, edited: bool) -> dict[str, bytes]:
    return {"manifests/runs.yaml": listed(layout, count, edited).replace("\n", eol).encode()}


def _files(layout: Layout, files: int, runs: int, edited: bool) -> dict[str, bytes]:
    return {
        f"manifests/f{n % 7}/m{n:03}.yaml": listed(
            layout, runs, edited and n % 5 == 0, f"g{n:03}", first=n * runs
        ).encode()
        for n in range(files)
    }


def _documents(layout: Layout, groups: int, runs: int, edited: bool) -> dict[str, bytes]:
    made = [listed(layout, runs, edited and n % 9 == 0, f"g{n:03}", first=n * runs) for n in range(groups)]
    return {"manifests/all.yaml": "---\n".join(made).encode()}


def _rows(kind: str, count: int, edited: bool) -> dict[str, bytes]:
    numbers = [n for n in range(count) if not (edited and n % 211 == 5)]
    values = [(f"u{n}", f"u{n}@example.com", n % 9 + (edited and n % 307 == 11), TEAMS[n % 6]) for n in numbers]
    if kind == "jsonl":
        lines = [f'{{"id": "{a}", "mail": "{b}", "seats": {c}, "team": "{d}"}}' for a, b, c, d in values]
    else:
        lines = ["id,mail,seats,team", *(f"{a},{b},{c},{d}" for a, b, c, d in values)]
    if kind == "bad":
        lines[100::100] = ["too,few"] * len(lines[100::100])
    schema = "rowSchema: {properties: {seats: {type: integer}}}, onBadRow: skip"
    run = [
        f"    - name: mail\n      forEach: {{file: ../data/rows.{'jsonl' if kind == 'jsonl' else 'csv'}, {schema}}}",
        "      key: ${{ row.id }}",
        "      labels: ['${{ row.team }}', all]",
        "      destination: ${{ vars.app_url }}/wf/${{ row.team | upper }}",
        "      body: {to: '${{ row.mail }}', seats: '${{ row.seats * 2 }}', "
        "text: 'for ${{ row.id }} in ${{ vars.region }}'}",
    ]
    defaults = f"  defaults: {{retries: {4 if edited else 3}}}"
    return {
        "manifests/rows.yaml": (_head("rows", defaults) + "\n".join(run) + "\n").encode(),
        f"data/rows.{'jsonl' if kind == 'jsonl' else 'csv'}": ("\n".join(lines) + "\n").encode(),
    }


def _matrix(size: int, edited: bool) -> dict[str, bytes]:
    axes = f"a: [{', '.join(map(str, range(size)))}], b: [{', '.join(f'b{n}' for n in range(size))}]"
    run = [
        f"    - name: m\n      matrix: {{{axes}, exclude: [{{a: {3 if edited else 2}}}], "
        "include: [{b: b1, more: x}]}",
        "      key: ${{ matrix.a }}/${{ matrix.b }}",
        "      body: {all: '${{ matrix }}', a: '${{ matrix.a }}'}",
    ]
    return {"manifests/matrix.yaml": (_head("matrix") + "\n".join(run) + "\n").encode()}


LAYOUTS: tuple[Layout, ...] = (
    scalars, corpus, label, amounts, destination, destination_of_each, some, nested, flow, quoted, comments, blocks,
    anchors, long_keys, delivery, secrets, in_bodies, spellings, texts, wrong, uneven,
)  # fmt: skip

CASES: tuple[tuple[str, Callable[[bool], dict[str, bytes]]], ...] = (
    *((layout.__name__, partial(_one_file, layout, 1250, "\n")) for layout in LAYOUTS),
    ("scalars, CRLF", partial(_one_file, scalars, 1100, "\r\n")),
    ("3,000 heavy runs in one file", partial(_one_file, heavy, 3000, "\n")),
    ("12 files of 250 heavy runs", partial(_files, heavy, 12, 250)),
    ("300 files of ten", partial(_files, label, 300, 10)),
    ("300 groups of five in one file", partial(_documents, amounts, 300, 5)),
    ("rows of CSV", partial(_rows, "csv", 1500)),
    ("rows of JSON Lines", partial(_rows, "jsonl", 1500)),
    ("bad rows of CSV", partial(_rows, "bad", 1500)),
    ("a matrix", partial(_matrix, 35)),
    ("in shards", partial(_one_file, label, 2400, "\n")),
    ("the state is lost", partial(_one_file, amounts, 1100, "\n")),
)


def project(number: int) -> Large:
    """The case of this number."""
    name, make = CASES[number]
    spec = {"vars": VARIABLES, "secrets": list(SECRETS), "server": {"url": "https://flows.example.com"}}
    settings = {"apiVersion": "wfdeploy/v1", "kind": "Project", "metadata": {"name": "frozen"}, "spec": spec}
    return Large(
        seed=number,
        settings=settings,
        environment=None,
        files=[],
        shard="2/2" if name == "in shards" else None,
        loses_state=name == "the state is lost",
        page=1000,
        note=name,
        make=make,
    )
