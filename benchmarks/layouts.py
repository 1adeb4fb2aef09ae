"""The varied set: ways in which people write manifests. A layout is a name and a function that yields the files.

Each gives any number of runs, and the same bytes for the same runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

PLANS = ("free", "team", "business", "enterprise")
LABELS = ("gold", "silver", "bronze", "trial", "partner", "internal")
APP_URL = "https://app.example.com"
FEATURES = "        features: [sso, audit]\n"
MATRIX_RUNS = 10_000
FILE_RUNS = 10
GROUPS = 1_000


class Tenant(NamedTuple):
    """What differs between runs; `seats` is what an edit changes."""

    n: int
    name: str
    seats: int

    @property
    def plan(self) -> str:
        return PLANS[self.n % 4]


def usual_seats(n: int) -> int:
    return 1 + n % 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The declared runs, made one by one, since the harness must stay small (`measure.run` says why)."""

    numbers: range
    seats: Callable[[int], int] = usual_seats
    renamed: Mapping[int, str] = field(default_factory=dict)
    without: frozenset[int] = frozenset()
    retries: int = 5  # in the defaults

    def __iter__(self) -> Iterator[Tenant]:
        for n in self.numbers:
            if n not in self.without:
                yield Tenant(n, self.renamed.get(n) or f"tenant-{n:07}", self.seats(n))

    def part(self, which: slice) -> Runs:
        return replace(self, numbers=self.numbers[which])

    def edited(self, edits: Mapping[int, int]) -> Runs:
        """With other seats for some."""
        return replace(self, seats=lambda n: edits.get(n) or self.seats(n))


File = tuple[str, Iterable[str]]
"""Its path in the project, and its text in pieces."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`naive`: whether the naive script can read it."""

    name: str
    files: Callable[[Runs], Iterator[File]]
    naive: bool = True


def head(name: str, retries: int) -> str:
    """A group, up to its runs."""
    return f"""apiVersion: wfdeploy/v1
kind: RunGroup
metadata:
  name: {name}
  annotations: {{owner: growth}}
spec:
  destination: {APP_URL}/api/workflow/onboard
  defaults:
    retries: {retries}
    retryDelay: "pow(2, retried) * 1000"
    labels: [onboarding]
    flowControl: {{key: onboard, parallelism: 10, rate: 100, period: 1m}}
    headers: {{X-Team: growth}}
  runs:
"""


def body(run: Tenant) -> str:
    return f"      body:\n        tenant: {run.name}\n        seats: {run.seats}\n        plan: {run.plan}\n"


def corpus(run: Tenant) -> str:
    text = f"    - name: {run.name}\n{body(run)}{FEATURES}"
    return text + "      retries: 3\n" if run.n % 10 == 0 else text


def scalars(run: Tenant) -> str:
    return f"    - name: {run.name}\n{body(run)}        region: eu-{run.n % 7}\n        active: true\n"


def label(run: Tenant) -> str:
    return f"    - name: {run.name}\n      labels: [{LABELS[run.n % 6]}]\n{body(run)}"


def amount(run: Tenant) -> str:
    return f"{label(run)}        amount: {run.n * 7919 % 1_000_000 / 100:.2f}\n"


def expression(run: Tenant) -> str:
    return f"    - name: {run.name}\n      destination: ${{{{ vars.app_url }}}}/api/{run.plan}/onboard\n{body(run)}"


def own_destination(run: Tenant) -> str:
    return f"    - name: {run.name}\n      destination: {APP_URL}/api/{run.name}/onboard\n{body(run)}"


def optional(run: Tenant) -> str:
    parts = [f"    - name: {run.name}\n"]
    if run.n % 3 == 0:
        parts.append(f"      delay: {1 + run.n % 4}h\n")
    if run.n % 4 == 0:
        parts.append(f"      retries: {run.n % 3}\n")
    if run.n % 5 == 0:
        parts.append(f"      labels: [onboarding, {LABELS[run.n % 6]}]\n")
    parts.append(body(run))
    if run.n % 2 == 0:
        parts.append(f"        coupon: C{run.n:x}\n")
    if run.n % 7 == 0:
        parts.append("        note: by hand\n")
    return "".join(parts)


def nested(run: Tenant) -> str:
    return (
        f"    - name: {run.name}\n{body(run)}        owner:\n          name: Owner {run.n}\n"
        f"          address:\n            street: Main Street {run.n % 300}\n            city: Springfield\n"
        f"        items:\n          - sku: A-{run.n % 97}\n            count: {1 + run.n % 9}\n"
        f"          - sku: B-{run.n % 89}\n            count: 1\n            options: [gift, {run.plan}]\n"
    )


def flow(run: Tenant) -> str:
    inner = f"tenant: {run.name}, seats: {run.seats}, plan: {run.plan}, features: [sso, audit]"
    return f"    - {{name: {run.name}, body: {{{inner}}}}}\n"


def quoted(run: Tenant) -> str:
    return (
        f"    - name: \"{run.name}\"\n      body:\n        tenant: '{run.name}'\n        seats: {run.seats}\n"
        f'        plan: "{run.plan}"\n        greeting: "Dear \\"{run.n}\\",\\nwelcome \\u2013 to you"\n'
        f"        motto: 'it''s: {run.n}'\n"
    )


def commented(run: Tenant) -> str:
    return (
        f"    # {run.name} asked for this on day {run.n}\n    - name: {run.name}  # see CRM-{run.n}\n{body(run)}"
        f"        # not yet: [beta]\n{FEATURES}"
    )


def block(run: Tenant) -> str:
    return (
        f"    - name: {run.name}\n{body(run)}        text: |\n          Dear tenant {run.n},\n\n"
        f"          your plan is {run.plan}.\n        note: >-\n          folded over\n          two lines, {run.n}\n"
    )


def anchored(run: Tenant) -> str:
    if run.n % 100 == 0:
        shared = f"&features{run.n} [sso, audit, {run.plan}]"
    else:
        shared = f"*features{run.n - run.n % 100}"
    return f"    - name: {run.name}\n{body(run)}        features: {shared}\n"


def long_keys(run: Tenant) -> str:
    key = "the_number_of_times_that_a_member_of_this_tenant_signed_in_during_the_month_before_the_one_in_which_it_paid"
    return f"    - name: {run.name}\n{body(run)}        {key}: {run.n % 1000}\n        {key}_for_the_first_time: 1\n"


def one_file(run: Callable[[Tenant], str]) -> Callable[[Runs], Iterator[File]]:
    """One group in one file."""

    def files(runs: Runs) -> Iterator[File]:
        yield "manifests/wave-0.yaml", _group(runs, run)

    return files


def _group(runs: Runs, run: Callable[[Tenant], str] = corpus, name: str = "wave-0") -> Iterator[str]:
    yield head(name, runs.retries)
    yield from map(run, runs)


def groups(runs: Runs) -> Iterator[File]:
    """In one file; the runs are dealt out."""
    count = min(GROUPS, len(runs.numbers))
    parts = (_group(runs.part(slice(g, None, count)), name=f"wave-{g}") for g in range(count))
    yield "manifests/waves.yaml", (text for part in parts for text in ("---\n", *part))


def files_of_ten(runs: Runs) -> Iterator[File]:
    for start in range(0, len(runs.numbers), FILE_RUNS):
        name = f"wave-{start // FILE_RUNS}"
        yield f"manifests/{name[:-1]}/{name}.yaml", _group(runs.part(slice(start, start + FILE_RUNS)), name=name)


TEMPLATE = """    - name: tenant
      forEach: {{file: ../rows.{suffix}}}
      key: ${{{{ row.tenant }}}}
      destination: https://app.example.com/api/${{{{ row.plan }}}}/onboard
      body:
        tenant: ${{{{ row.tenant }}}}
        seats: ${{{{ row.seats }}}}
        plan: ${{{{ row.plan }}}}
        greeting: Welcome ${{{{ row.tenant }}}}, to ${{{{ row.plan }}}}
        features: [sso, audit]
"""


def csv_rows(runs: Runs) -> Iterator[File]:
    yield from _template(runs, "csv")
    rows = (f"{run.name},{run.seats},{run.plan}\n" for run in runs)
    yield "rows.csv", (text for part in (("tenant,seats,plan\n",), rows) for text in part)


def json_rows(runs: Runs) -> Iterator[File]:
    yield from _template(runs, "jsonl")
    yield "rows.jsonl", (f'{{"tenant":"{run.name}","seats":{run.seats},"plan":"{run.plan}"}}\n' for run in runs)


def _template(runs: Runs, suffix: str) -> Iterator[File]:
    yield "manifests/wave-0.yaml", (head("wave-0", runs.retries), TEMPLATE.format(suffix=suffix))


def matrix(runs: Runs) -> Iterator[File]:
    """An entry for each ten thousand combinations of a hundred tenants and as many months as there must be."""

    def entry(start: int) -> str:
        part = runs.part(slice(start, start + MATRIX_RUNS))
        tenants = min(100, len(part.numbers))
        months = [f"m{n:03}" for n in range(-(-len(part.numbers) // tenants))]
        edits = [(at, seats) for at, n in enumerate(part.numbers) if (seats := part.seats(n)) != usual_seats(n)]
        places = [(f"t{at % tenants:02}", months[at // tenants], seats) for at, seats in edits]
        include = "".join(f"          - {{tenant: {t}, month: {m}, seats: {seats}}}\n" for t, m, seats in places)
        include = f"        include:\n{include}" if include else ""
        return (
            f"    - name: part-{start // MATRIX_RUNS}\n      matrix:\n"
            f"        tenant: [{', '.join(f't{n:02}' for n in range(tenants))}]\n"
            f"        month: [{', '.join(months)}]\n{include}"
            "      key: ${{ matrix.tenant }}-${{ matrix.month }}\n      body: ${{ matrix }}\n"
        )

    entries = map(entry, range(0, len(runs.numbers), MATRIX_RUNS))
    yield "manifests/wave-0.yaml", (text for part in ((head("wave-0", runs.retries),), entries) for text in part)


LAYOUTS = (
    Layout("corpus", one_file(corpus)),
    Layout("plain scalars", one_file(scalars)),
    Layout("labels", one_file(label)),
    Layout("labels and amounts", one_file(amount)),
    Layout("expressions", one_file(expression)),
    Layout("optional fields", one_file(optional)),
    Layout("nested", one_file(nested)),
    Layout("flow style", one_file(flow)),
    Layout("quoted", one_file(quoted)),
    Layout("comments", one_file(commented)),
    Layout("block scalars", one_file(block)),
    Layout("anchors", one_file(anchored)),
    Layout("long keys", one_file(long_keys)),
    Layout("CSV rows", csv_rows),
    Layout("JSON Lines rows", json_rows),
    Layout("matrix", matrix, naive=False),
    Layout("1,000 groups", groups),
    Layout("files of ten", files_of_ten),
    Layout("own destinations", one_file(own_destination)),
)
BY_NAME = {layout.name: layout for layout in LAYOUTS}
