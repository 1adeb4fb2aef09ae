"""How a project is made wrong: the words that the tables of mistakes are written in."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from tests.vectors.projects import File, Project
from tests.vectors.tables import Table
from tests.vectors.writing import Raw, Style

Mistake = Callable[[Random, Project], None]


# --- where -------------------------------------------------------------------------------------------------------


def a_group(rng: Random, project: Project) -> Any:
    groups = project.groups()
    if not groups:
        project.files[0].documents.append(_new("spare", [{"name": "a"}]))
        return project.files[0].documents[-1]
    return rng.choice(groups)


def a_run(rng: Random, project: Project) -> Any:
    group = a_group(rng, project)
    listed = [run for run in group["spec"]["runs"] if isinstance(run, dict) and not {"forEach", "matrix"} & run.keys()]
    if not listed:
        listed = [{"name": "spare"}]
        group["spec"]["runs"] += listed
    return rng.choice(listed)


def _new(name: str, runs: Any, **spec: Any) -> Any:
    return {
        "apiVersion": "wfdeploy/v1",
        "kind": "RunGroup",
        "metadata": {"name": name},
        "spec": {"destination": "https://app.example.com/wf", **deepcopy(spec), "runs": deepcopy(runs)},
    }


def in_run(**fields: Any) -> Mistake:
    """These fields in a run."""
    return lambda rng, project: a_run(rng, project).update(deepcopy(fields))


def in_defaults(**fields: Any) -> Mistake:
    def make(rng: Random, project: Project) -> None:
        spec = a_group(rng, project)["spec"]
        spec["defaults"] = {**(spec.get("defaults") or {}), **deepcopy(fields)}

    return make


def in_either(**fields: Any) -> Mistake:
    """In a run or in the defaults."""
    return lambda rng, project: rng.choice((in_run, in_run, in_defaults))(**fields)(rng, project)


def in_spec(**fields: Any) -> Mistake:
    return lambda rng, project: a_group(rng, project)["spec"].update(deepcopy(fields))


def one_of(*mistakes: Mistake) -> Mistake:
    return lambda rng, project: rng.choice(mistakes)(rng, project)


def all_of(*mistakes: Mistake) -> Mistake:
    def make(rng: Random, project: Project) -> None:
        for mistake in mistakes:
            mistake(rng, project)

    return make


def payload(name: str, content: bytes) -> Mistake:
    """A file that may be a body."""
    return lambda rng, project: project.payloads.update({f"payloads/{name}": content})


def secrets(**values: str) -> Mistake:
    """The environment has these."""
    return lambda rng, project: setattr(project, "secrets", dict(values))


def group(name: str, runs: Any = None, **spec: Any) -> Mistake:
    """A group of its own in one of the files."""
    return lambda rng, project: rng.choice(project.files).documents.append(_new(name, runs or [{"name": "a"}], **spec))


def generator(**fields: Any) -> Mistake:
    return group("generated", [{"name": "many", "key": "${{ row.id }}", **fields}])


def document(text: str) -> Mistake:
    """A document of this text, in one of the files."""
    return lambda rng, project: rng.choice(project.files).documents.append(Raw(text))


def body(text: str) -> Mistake:
    """A run with this text for its body."""
    head = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: textual}\nspec:\n  destination: https://a.example.com\n"
    return document(f"{head}  runs:\n    - name: a\n      body:\n{text}")


def file(name: str, content: bytes) -> Mistake:
    """A manifest file of these bytes."""

    def make(rng: Random, project: Project) -> None:
        project.files.append(File(f"manifests/{name}", Style(), name, [Raw("")], after=content))

    return make


def data(name: str, content: bytes, **source: Any) -> Mistake:
    """A generator over a data file of these bytes."""

    def make(rng: Random, project: Project) -> None:
        project.payloads[f"data/{name}"] = content
        run = {"name": "many", "forEach": {"file": f"../data/{name}", **source}, "key": "${{ row.id }}"}
        target = _new("data-driven", [run | ({"body": {"id": "${{ row.id }}"}} if rng.random() < 0.5 else {})])
        project.files.append(File("manifests/data.yaml", Style(), name, [target]))

    return make


def moved(*moves: tuple[str, str]) -> Mistake:
    return group(
        "moving", [{"name": "a"}, {"name": "b"}, {"name": "c"}], moved=[{"from": a, "to": b} for a, b in moves]
    )


def settings(**fields: Any) -> Mistake:
    return lambda rng, project: None if project.settings is None else project.settings["spec"].update(deepcopy(fields))


def twice(rng: Random, project: Project) -> None:
    target = a_group(rng, project)
    name = a_run(rng, project)["name"]
    runs = target["spec"]["runs"]
    runs += [{"name": name}, {"name": name}]


def group_twice(rng: Random, project: Project) -> None:
    name = a_group(rng, project)["metadata"].get("name", "x")
    rng.choice(project.files).documents.append(_new(name, [{"name": "another"}]))


def nameless(rng: Random, project: Project) -> None:
    a_run(rng, project).pop("name", None)


def no_destination(rng: Random, project: Project) -> None:
    a_group(rng, project)["spec"].pop("destination", None)


def bad_rows(rng: Random, project: Project) -> None:
    lines = [
        b"u1,too,few",
        b'"open',
        b",,,,",
        b"x,x,x,x,x,x,x,x",
        b"\xff,a,b,c,d",
        b'{"id": ',
        b"u0,u0,u0,1,n",
        b"u0,u0@example.com,pro,1,n",
    ]
    for table in project.tables:
        table.raw = {rng.randint(1, 4): rng.choice(lines) for _ in range(rng.randint(1, 3))}
    if not project.tables:
        data("rows.csv", b"id,n\n1,2\n\n3\n,4\n1,5\n")(rng, project)


def mixed_rows(rng: Random, project: Project) -> None:
    rows = [{"id": n if n % 3 else None, "url": "ftp://x" if n % 4 == 1 else "https://a.example.com"} for n in range(8)]
    project.tables.append(Table("data/mixed.jsonl", rows, ("id", "url")))
    run = {
        "name": "many", "forEach": {"file": "../data/mixed.jsonl", "onBadRow": rng.choice(("skip", "error"))},
        "key": "${{ row.id }}", "destination": "${{ row.url }}", "labels": ["${{ row.label }}", "l ${{ row.id }}"],
    }  # fmt: skip
    project.files.append(File("manifests/mixed.yaml", Style(), "mixed", [_new("mixed", [run])]))


def link(target: str, name: str) -> Mistake:
    return lambda rng, project: project.links.__setitem__(name, target)


def only(*paths: str) -> Mistake:
    return lambda rng, project: setattr(project, "paths", list(paths))


def own_id_kept(rng: Random, project: Project) -> None:
    """An id of one's own, which the edit leaves while the run changes."""
    a_run(rng, project)["workflowRunId"] = "kept-id"
    for group_ in project.groups():
        for run in group_["spec"]["runs"]:
            run["headers"] = {"X-All": "${{ vars.seats }}"}
    project.settings["spec"]["environments"] = {"production": {}}
    project.environment = "production"


BIG = "x" * 1_000_100
OWN = {"id": "a"}
