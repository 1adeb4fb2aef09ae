"""Small projects from a seed: a project file, manifests in every layout, data files and payloads."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from tests.vectors.content import REGIONS, WORDS, Make, Scope, body, delivery, destination, mapping, timing
from tests.vectors.tables import Table
from tests.vectors.writing import Raw, Shared, Style, Writer, random_style

VARIABLES: dict[str, Any] = {
    "app_url": "https://app.example.com",
    "region": "eu",
    "regions": ["eu", "us", "ap"],
    "limits": {"seats": 3, "max": 1.5},
    "seats": 12,
    "ratio": 0.25,
    "nothing": None,
    "label": "lbl",
    "flag": False,
    "tenants": [{"id": "a"}, {"id": "b"}],
}
SECRETS = {"APP_TOKEN": "the app's token", "OTHER_KEY": "another-key"}


@dataclass
class File:
    """A manifest file; a `Raw` document is text of its own."""

    path: str
    style: Style
    seed: str
    documents: list[Any]
    damage: list[tuple[bytes, bytes]] = field(
        default_factory=list
    )  # replacements in its bytes, of the first that is there
    after: bytes = b""

    def content(self) -> bytes:
        text = Writer(self.style, self.seed).file(self.documents)
        for old, new in self.damage:
            text = text.replace(old, new, 1)
        return text + self.after


@dataclass
class Project:
    """All that is on disk, and how it is applied. `settings`: the project file's data (None: there is none)."""

    seed: int
    settings: Any
    environment: str | None
    files: list[File]
    tables: list[Table] = field(default_factory=list)
    payloads: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    shard: str | None = None
    paths: list[str] | None = None
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    beside: list[Any] = field(default_factory=list)  # more documents of the project file
    loses_state: bool = False  # between its applies
    page: int = 5  # runs in a page of the server's listings
    note: str = ""

    def contents(self) -> dict[str, bytes]:
        made = {file.path: file.content() for file in self.files}
        made |= {table.path: table.content() for table in self.tables} | self.payloads
        if self.settings is not None:
            made["wfdeploy.yaml"] = Writer(Style(), f"project {self.seed}").file([self.settings, *self.beside])
        return made

    def groups(self) -> list[dict[str, Any]]:
        """The groups that are well enough to be changed."""
        return [
            document
            for file in self.files
            for document in file.documents
            if isinstance(document, dict) and isinstance(document.get("spec", {}).get("runs"), list)
        ]

    def runs(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each group and run."""
        return [(group, run) for group in self.groups() for run in group["spec"]["runs"] if isinstance(run, dict)]


# --- making one ---------------------------------------------------------------------------------------------------


def generate(seed: int) -> Project:
    """The sound project of a seed."""
    rng = Random(f"project {seed}")
    project = Project(seed, _settings(rng), None, [])
    if project.settings is not None:
        project.environment = next(iter(project.settings["spec"].get("environments", {})), None)
        if rng.random() < 0.15:
            project.variables = {"label": rng.choice(("from-outside", "other"))}
    project.payloads = {
        "payloads/small.json": b'{"a": 1,\n "b": [1, 2]}\n',
        "payloads/text.txt": "Grüße\r\naus ${{ vars.region }}\n".encode(),
        "payloads/order.xml": b"<order/>",
    }
    count = rng.choice((1, 4, 8, 10, 12, 12, 14, 16, 20, 24))
    groups = [_group(rng, project, f"g{seed % 97}-{number}") for number in range(count)]
    _relate(rng, groups)
    _spread(rng, project, groups)
    if rng.random() < 0.03:
        project.shard = f"{rng.randint(1, 2)}/2"
    return project


def _settings(rng: Random) -> Any:
    server: dict[str, Any] = {"logLag": rng.choice(("2s", "60s", 5))}
    if rng.random() < 0.4:
        server["maxBatchItems"] = rng.choice((1, 3, 7, 20))
    if rng.random() < 0.1:
        server["maxBatchBytes"] = rng.choice((6000, 20000))
    spec: dict[str, Any] = {
        "vars": deepcopy(VARIABLES), "secrets": list(SECRETS), "server": {"url": "https://flows.example.com", **server},
    }  # fmt: skip
    if rng.random() < 0.4:
        spec["environments"] = {
            "staging": {"vars": {"region": "us", "seats": rng.randint(1, 50), "limits": {"seats": 4}}},
            "production": {},
        }
    data: dict[str, Any] = {
        "apiVersion": "wfdeploy/v1",
        "kind": "Project",
        "metadata": {"name": "frozen"},
        "spec": spec,
    }
    if rng.random() < 0.5:
        data["metadata"]["uid"] = "k3v9q0c2m7xw"
    return data


def _group(rng: Random, project: Project, name: str) -> dict[str, Any]:
    kind = rng.choice(("list",) * 12 + ("rows",) * 3 + ("matrix",) * 2 + ("both", "mixed", "mixed"))
    scheduled = rng.random() < 0.06
    scope = Scope(scheduled=scheduled, payloads=_payloads(rng))
    spec: dict[str, Any] = {}
    given = destination(rng, scope)(rng, 0) or "https://app.example.com/wf"
    in_runs = rng.random() < 0.05
    if not in_runs:
        spec["destination"] = given
    if rng.random() < 0.55:
        spec["defaults"] = _defaults(rng, scope)
    if rng.random() < 0.25:
        spec["policy"] = _policy(rng)
    if rng.random() < 0.1:
        include = rng.sample(("retries", "labels", "delay", "flowControl", "timeout", "redact"), rng.randint(0, 2))
        spec["identity"] = {"include": include, "exclude": rng.sample(("headers.X-Team", "contentType", "headers"), 1)}
    if scheduled:
        spec["schedule"] = _schedule(rng)
        if rng.random() < 0.3:
            spec["history"] = {"keep": rng.choice((1, 3))}
    elif rng.random() < 0.06:
        spec["rollout"] = _rollout(rng)
    runs: list[Any] = []
    if kind in ("list", "mixed"):
        runs += _listed(rng, scope, own_ids=not scheduled)
    if kind in ("rows", "both", "mixed"):
        runs.append(_rows(rng, project, name, scope, with_matrix=kind == "both"))
    if kind == "matrix":
        runs.append(_matrix(rng, scope))
    if in_runs:
        for run in runs:
            run["destination"] = run.get("destination") or given
    spec["runs"] = runs
    items = list(spec.items())
    if rng.random() < 0.1:
        rng.shuffle(items)
    metadata: dict[str, Any] = {"name": name}
    if rng.random() < 0.1:
        metadata["annotations"] = {"owner": rng.choice(WORDS), "since": Raw("2026-11-01")}
    return {"apiVersion": "wfdeploy/v1", "kind": "RunGroup", "metadata": metadata, "spec": dict(items)}


def _payloads(rng: Random) -> tuple[str, ...]:
    return ("../payloads/small.json", "../payloads/text.txt", "../payloads/order.xml")


def _defaults(rng: Random, scope: Scope) -> dict[str, Any]:
    made = {name: make(rng, 0) for name, make in delivery(rng, scope, 0.25).items()}
    if rng.random() < 0.15:
        field_, make = body(rng, scope)
        made[field_] = make(rng, 0)
    if rng.random() < 0.2:
        made |= {name: value for name, value in timing(rng)(rng, 0).items() if value is not None}
    return made


def _policy(rng: Random) -> dict[str, Any]:
    choices: dict[str, tuple[Any, ...]] = {
        "onChange": ("retrigger",) * 4 + ("ignore", "ignore", "error"),
        "onRemove": ("keep", "forget", "cancel"),
        "onFailure": ("report", "resume", "restart", {"action": "restart", "maxAttempts": 2, "backoff": "1m"}),
        "onCancelled": ("report", "restart"),
        "replaceRunning": ("allow", "wait", "cancel"),
    }
    return {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.5}


def _schedule(rng: Random) -> dict[str, Any]:
    made: dict[str, Any] = {"cron": rng.choice(("0 * * * *", "*/30 9-17 * * MON-FRI", "0 3 * * *", "15 14 * * *"))}
    choices: dict[str, tuple[Any, ...]] = {
        "timezone": ("Europe/Berlin", "UTC", "America/New_York"),
        "startAt": ("2026-11-23T09:00:00Z", "2026-11-22T00:00:00+01:00"),
        "endAt": ("2026-11-23T16:30:00Z", "2027-01-01T00:00:00Z"),
        "catchUp": ("none", "last", "all"),
        "deadline": ("2h", 600),
        "concurrency": ("allow", "skip"),
    }
    return made | {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.5}


def _rollout(rng: Random) -> dict[str, Any]:
    steps = rng.choice(
        (
            [{"count": 1}, {"percent": 50, "pauseUntil": "finished"}],
            [{"percent": 12.5}, {"percent": 60, "pauseUntil": "approved"}],
            [{"count": 2, "pauseUntil": "finished", "bake": "10m"}],
        )
    )
    return {"steps": steps, **rng.choice(({}, {"maxFailures": "2%"}, {"maxFailures": 1}))}


def _listed(rng: Random, scope: Scope, *, own_ids: bool) -> list[Any]:
    """Runs of one shape, or of several."""
    count = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 8, 10, 20))
    shapes = [_shape(rng, scope) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    shared = rng.random() < 0.12
    anchor = Shared("shared", mapping(rng, scope, 1)(rng, 0))
    runs = []
    for number in range(count):
        run = {"name": _name(rng, number), **shapes[number % len(shapes)](rng, number)}
        if shared and rng.random() < 0.6 and not {"bodyText", "bodyFile"} & run.keys():
            run["body"] = anchor if rng.random() < 0.5 else {"own": number, "common": anchor}
        if own_ids and rng.random() < 0.02:
            run["workflowRunId"] = f"own-{rng.randint(0, 10**9)}"
        runs.append(run)
    if rng.random() < 0.1:
        rng.shuffle(runs)
    return runs


def _name(rng: Random, number: int) -> str:
    draw = rng.random()
    return f"run-{number:03}" if draw < 0.9 else f"{rng.choice(('Acme', 'a.b', 'x_y'))}{number}"


def _shape(rng: Random, scope: Scope) -> Any:
    """A function from a run's number to its fields."""
    makes: dict[str, Make] = delivery(rng, scope, rng.choice((0.0, 0.0, 0.12, 0.3)))
    if rng.random() < 0.15:
        makes["destination"] = destination(rng, scope)
    when = timing(rng) if rng.random() < 0.12 else None
    if rng.random() < 0.85:
        name, make = body(rng, scope)
        makes[name] = make
    present = rng.choice((1.0, 1.0, 1.0, 0.6))
    first = rng.random() < 0.5

    def fields(r: Random, number: int) -> dict[str, Any]:
        made = {name: make(r, number) for name, make in makes.items() if present == 1.0 or r.random() < present}
        if when is not None:
            times = when(r, number)
            made |= times if len(times) == 2 else {**{"delay": None, "notBefore": None}, **times}
        return made if first else dict(reversed(made.items()))

    return fields


def _rows(rng: Random, project: Project, group: str, scope: Scope, *, with_matrix: bool) -> dict[str, Any]:
    columns = ("id", "email", "plan", "seats", "note")
    rows = [
        {
            "id": f"u{number}" if rng.random() < 0.95 else number,
            "email": f"u{number}@example.com",
            "plan": rng.choice(("free", "pro", "")),
            "seats": rng.choice((1, 2.5, "3", 1000000, 1.0, "many") if rng.random() < 0.1 else (1, 2, 3)),
            "note": rng.choice(WORDS) if rng.random() < 0.5 else "plain",
        }
        for number in range(rng.choice((0, 1, 3, 5, 8, 12)))
    ]
    table = rng.choice(("items", "csv", "csv", "tsv", "json", "jsonl", "jsonl", "yaml", "csv.gz", "variable"))
    run: dict[str, Any] = {"name": rng.choice(("mail", "users", "a.b"))}
    source: dict[str, Any]
    columns_used = tuple(column for column in columns if column != "note")
    if table == "variable":
        source, columns_used = {"items": "${{ vars.tenants }}"}, ("id",)
    elif table == "items":
        source = {"items": rows}
    else:
        made = Table(f"data/{group}.{table}", rows, columns, eol=rng.choice(("\n", "\n", "\r\n")))
        project.tables.append(made)
        source = {"file": f"../{made.path}"}
        if rng.random() < 0.1:
            source["sha256"] = sha256(made.content()).hexdigest()
    if table != "variable" and rng.random() < 0.3:
        source["rowSchema"] = {"required": ["id"], "properties": {"seats": {"type": ["integer", "number", "string"]}}}
    if rng.random() < 0.2:
        source["onBadRow"] = rng.choice(("skip", "error"))
    inner = Scope(rows=columns_used, axes=("size",) if with_matrix else (), scheduled=scope.scheduled)
    run["forEach"] = source
    run["key"] = rng.choice(("${{ row.id }}", "${{ row.id }}", "k-${{ row.id }}", "${{ row.id | string | upper }}"))
    if with_matrix:
        run["matrix"] = {"size": ["s", "l"]}
        run["key"] = "${{ row.id }}/${{ matrix.size }}"
    return run | _templated(rng, inner)


def _matrix(rng: Random, scope: Scope) -> dict[str, Any]:
    axes: dict[str, Any] = {
        "region": rng.choice((list(REGIONS[:3]), "${{ vars.regions }}")),
        "month": ["2026-01", "2026-02"] if rng.random() < 0.5 else [1, 2.0, Raw("3")],
    }
    if rng.random() < 0.4:
        axes["exclude"] = [{"region": "us", "month": axes["month"][0]}]
    if rng.random() < 0.4:
        axes["include"] = [{"region": "eu", "currency": "EUR"}, {"region": "latam", "month": "2026-02"}]
    inner = Scope(axes=("region", "month"), scheduled=scope.scheduled)
    return {
        "name": "report",
        "matrix": axes,
        "key": "${{ matrix.region }}-${{ matrix.month }}",
        **_templated(rng, inner),
    }


def _templated(rng: Random, scope: Scope) -> dict[str, Any]:
    made: Mapping[str, Any] = _shape(rng, scope)(rng, 0)
    return {name: value for name, value in made.items() if name not in ("bodyFile",)}


def _relate(rng: Random, groups: list[dict[str, Any]]) -> None:
    """Dependencies on earlier groups, and old names."""
    for number, group in enumerate(groups):
        spec, name = group["spec"], group["metadata"]["name"]
        if number and rng.random() < 0.08:
            other = rng.choice(groups[:number])["metadata"]["name"]
            spec["dependsOn"] = [
                {"group": other, **rng.choice(({}, {"condition": "triggered"}, {"condition": "finished"}))}
            ]
        listed = [run["name"] for run in spec["runs"] if "forEach" not in run and "matrix" not in run]
        if listed and rng.random() < 0.08:
            spec["moved"] = [{"from": f"{name}/former", "to": f"{name}/{rng.choice(listed)}"}]
        elif rng.random() < 0.03:
            spec["moved"] = [{"from": f"former-{name}", "to": name}]


def _spread(rng: Random, project: Project, groups: list[dict[str, Any]]) -> None:
    """The groups over files: one, some with several documents, or one each."""
    layout = rng.choice(("one", "each", "each", "some", "some", "folders"))
    most = {"one": 99, "each": 1, "some": 3, "folders": 2}[layout]
    rest = list(groups)
    while rest:
        taken, rest = rest[: (size := rng.randint(1, most) if layout != "one" else 99)], rest[size:]
        name = f"m{len(project.files)}.{rng.choice(('yaml', 'yaml', 'yml'))}"
        text = str(taken)
        # A body's file is told relative to the manifest's folder.
        deeper = layout == "folders" and rng.random() < 0.5 and "../" not in text
        project.files.append(
            File(f"manifests/{'deep/' if deeper else ''}{name}", random_style(rng), f"{project.seed}/{name}", taken)
        )
