"""What a commit may do to a project: each by a seed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

from tests.vectors.projects import File, Project
from tests.vectors.writing import Raw, Shared, random_style


def edit(project: Project) -> None:
    """The edits of this project's seed, one to five."""
    rng = Random(f"edit {project.seed}")
    done = [rng.choice(EDITS) for _ in range(rng.choice((1, 1, 2, 3, 5)))]
    for change in done:
        change(rng, project)
    project.note = ", ".join(change.__name__ for change in done)


def _group(rng: Random, project: Project) -> Any:
    groups = project.groups()
    return rng.choice(groups) if groups else {"metadata": {"name": "none"}, "spec": {"runs": []}}


def _listed(group: Any) -> list[Any]:
    return [run for run in group["spec"]["runs"] if isinstance(run, dict) and not {"forEach", "matrix"} & run.keys()]


def _one(rng: Random, project: Project) -> tuple[Any, Any]:
    """A group and a run of it (one that nobody sees, where there is none)."""
    pairs = [(group, run) for group, run in project.runs() if not {"forEach", "matrix"} & run.keys()]
    return rng.choice(pairs) if pairs else ({"metadata": {"name": "none"}, "spec": {"runs": []}}, {"name": "none"})


def change_body(rng: Random, project: Project) -> None:
    _, run = _one(rng, project)
    for name in ("bodyText", "bodyFile"):
        run.pop(name, None)
    value = run.get("body")
    if isinstance(value, dict) and value and rng.random() < 0.8:
        value[rng.choice(list(value))] = f"edited {rng.randint(0, 99)}"
    else:
        run["body"] = {"edited": rng.randint(0, 99)}


def change_bodies(rng: Random, project: Project) -> None:
    for run in _listed(_group(rng, project)):
        if isinstance(run.get("body"), dict):
            run["body"]["version"] = 2


def change_delivery(rng: Random, project: Project) -> None:
    _, run = _one(rng, project)
    run["labels"] = [rng.choice(("edited", "team-a"))]
    run["retries"] = rng.randint(0, 9)


def change_destination(rng: Random, project: Project) -> None:
    _group(rng, project)["spec"]["destination"] = f"https://app.example.com/v{rng.randint(2, 9)}"


def change_defaults(rng: Random, project: Project) -> None:
    defaults = _group(rng, project)["spec"].setdefault("defaults", {})
    name, value = rng.choice(
        (
            ("retries", 7),
            ("labels", ["new-default"]),
            ("headers", {"X-New": "1", "X-Team": "edited"}),
            ("timeout", "3m"),
            ("failureUrl", "https://ops.example.com/new"),
            ("redact", {"body": True}),
            ("flowControl", {"key": "new", "parallelism": 2}),
        )
    )
    defaults[name] = value


def drop_defaults(rng: Random, project: Project) -> None:
    _group(rng, project)["spec"].pop("defaults", None)


def change_policy(rng: Random, project: Project) -> None:
    _group(rng, project)["spec"]["policy"] = rng.choice(
        (
            {"onChange": "ignore"},
            {"onRemove": "forget"},
            {"onRemove": "cancel", "replaceRunning": "cancel"},
            {"onFailure": "restart"},
        )
    )


def add_runs(rng: Random, project: Project) -> None:
    runs = _group(rng, project)["spec"]["runs"]
    for number in range(rng.choice((1, 1, 3, 8))):
        added = deepcopy(rng.choice(_listed({"spec": {"runs": runs}}) or [{}])) if rng.random() < 0.7 else {}
        added.pop("workflowRunId", None)
        runs.insert(rng.randint(0, len(runs)), {**added, "name": f"added-{number}-{rng.randint(0, 999)}"})


def remove_runs(rng: Random, project: Project) -> None:
    group = _group(rng, project)
    share = rng.choice((0.2, 0.5, 1.0))
    group["spec"]["runs"] = [run for run in group["spec"]["runs"] if rng.random() > share]
    _forget_targets(group)


def _forget_targets(group: Any) -> None:
    """Moves to what isn't there any more."""
    names = {f"{group['metadata']['name']}/{run['name']}" for run in group["spec"]["runs"]}
    moves = [move for move in group["spec"].pop("moved", []) if "/" not in move["to"] or move["to"] in names]
    if moves:
        group["spec"]["moved"] = moves


def rename_run(rng: Random, project: Project) -> None:
    group, run = _one(rng, project)
    old, new, name = run["name"], f"renamed-{rng.randint(0, 999)}", group["metadata"]["name"]
    run["name"] = new
    _forget_targets(group)
    if rng.random() < 0.7:
        group["spec"].setdefault("moved", []).append({"from": f"{name}/{old}", "to": f"{name}/{new}"})


def rename_group(rng: Random, project: Project) -> None:
    group = _group(rng, project)
    old, new = group["metadata"]["name"], f"renamed-{rng.randint(0, 999)}"
    group["metadata"]["name"] = new
    group["spec"].pop("moved", None)
    if rng.random() < 0.7:
        group["spec"]["moved"] = [{"from": old, "to": new}]
    for other in project.groups():
        for dependency in other["spec"].get("dependsOn", ()):
            if dependency["group"] == old:
                dependency["group"] = new


def remove_group(rng: Random, project: Project) -> None:
    if len(project.groups()) < 2:
        return
    gone = _group(rng, project)
    name = gone["metadata"]["name"]
    for file in project.files:
        file.documents = [document for document in file.documents if document is not gone]
    project.files = [file for file in project.files if file.documents]
    for other in project.groups():
        left = [dependency for dependency in other["spec"].pop("dependsOn", ()) if dependency["group"] != name]
        if left:
            other["spec"]["dependsOn"] = left


def reorder_runs(rng: Random, project: Project) -> None:
    rng.shuffle(_group(rng, project)["spec"]["runs"])


def reorder_keys(rng: Random, project: Project) -> None:
    for group in project.groups():
        for run in group["spec"]["runs"]:
            for holder in (run, run.get("body"), run.get("headers")):
                if isinstance(holder, dict):
                    items = list(holder.items())
                    rng.shuffle(items)
                    holder.clear()
                    holder.update(items)


def rewrite(rng: Random, project: Project) -> None:
    """Another style: nothing may be triggered by it, but where blocks of text fold."""
    for file in project.files:
        if rng.random() < 0.7:
            file.style = replace(random_style(rng), block=0.0)
            file.seed = f"{file.seed}/again"


def split_file(rng: Random, project: Project) -> None:
    file = rng.choice(project.files)
    if len(file.documents) > 1:
        half = len(file.documents) // 2
        project.files.append(
            File("manifests/split.yaml", random_style(rng), f"{file.seed}/split", file.documents[half:])
        )
        file.documents = file.documents[:half]


def merge_files(rng: Random, project: Project) -> None:
    if len(project.files) > 1:
        last = project.files.pop()
        if last.path.count("/") == project.files[0].path.count("/"):
            project.files[0].documents += last.documents
        else:
            project.files.append(last)


def rename_file(rng: Random, project: Project) -> None:
    file = rng.choice(project.files)
    folder = file.path.rpartition("/")[0]
    file.path = f"{folder}/a-renamed.yaml" if rng.random() < 0.5 else f"{folder}/z-renamed.yml"


def change_rows(rng: Random, project: Project) -> None:
    for table in project.tables:
        if any(source.get("sha256") for source in _sources(project, table.path)):
            continue
        kept = [row for row in table.rows if rng.random() > 0.2]
        for row in kept:
            if rng.random() < 0.2:
                row["plan"] = "edited"
        if rng.random() < 0.3:
            rng.shuffle(kept)
        if rng.random() < 0.5:
            new = {
                "id": f"new-{rng.randint(0, 999)}",
                "email": "new@example.com",
                "plan": "pro",
                "seats": 1,
                "note": "n",
            }
            kept.insert(0, new)
        table.rows = kept


def _sources(project: Project, path: str) -> list[Any]:
    return [run["forEach"] for _, run in project.runs() if run.get("forEach", {}).get("file") == f"../{path}"]


def change_inline_rows(rng: Random, project: Project) -> None:
    for _, run in project.runs():
        items = run.get("forEach", {}).get("items")
        if isinstance(items, list) and items:
            items.pop(rng.randrange(len(items)))


def change_axes(rng: Random, project: Project) -> None:
    for _, run in project.runs():
        if "region" in run.get("matrix", {}):
            run["matrix"]["region"] = ["eu", "new"]


def change_variables(rng: Random, project: Project) -> None:
    if project.settings is None:
        return
    spec = project.settings["spec"]
    spec["vars"] |= rng.choice(
        ({"region": "ap"}, {"seats": 13}, {"limits": {"seats": 9, "more": True}}, {"label": "other"})
    )


def change_payload(rng: Random, project: Project) -> None:
    project.payloads["payloads/small.json"] = b'{"a": 2}'


def move_onto(rng: Random, project: Project) -> None:
    """A run that is gone, said to be one that is there."""
    group = _group(rng, project)
    listed = _listed(group)
    if len(listed) > 1:
        gone, kept = rng.sample(listed, 2)
        group["spec"]["runs"] = [run for run in group["spec"]["runs"] if run is not gone]
        name = group["metadata"]["name"]
        group["spec"]["moved"] = [{"from": f"{name}/{gone['name']}", "to": f"{name}/{kept['name']}"}]


def change_own_ids(rng: Random, project: Project) -> None:
    """Changed, given up, or kept by a run that changes."""
    for _, run in project.runs():
        if "workflowRunId" in run:
            match rng.randrange(3):
                case 0:
                    run["workflowRunId"] += "-2"
                case 1:
                    del run["workflowRunId"]
                case _:
                    run["headers"] = {"X-Edited": "1"}


def lose_state(rng: Random, project: Project) -> None:
    project.loses_state = True


def nothing(rng: Random, project: Project) -> None:
    """The same again."""


def share_bodies(rng: Random, project: Project) -> None:
    """An anchor for what was written out: nothing may be triggered by it."""
    group = _group(rng, project)
    bodies = [run for run in _listed(group) if isinstance(run.get("body"), dict) and _is_plain(run["body"])]
    if bodies:
        anchor = Shared("edited", deepcopy(bodies[0]["body"]))
        for run in bodies:
            if run["body"] == anchor.value:
                run["body"] = anchor


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, Shared | Raw)


EDITS: tuple[Callable[[Random, Project], None], ...] = (
    change_body, change_body, change_bodies, change_delivery, change_delivery, change_destination, change_defaults,
    change_defaults, drop_defaults, change_policy, add_runs, add_runs, remove_runs, remove_runs, rename_run, rename_run,
    rename_group, remove_group, reorder_runs, reorder_keys, rewrite, split_file, merge_files, rename_file, change_rows,
    change_rows, change_inline_rows, change_axes, change_variables, change_payload, nothing, move_onto,
    change_own_ids, change_own_ids, lose_state, share_bodies,
)  # fmt: skip
