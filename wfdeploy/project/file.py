"""The project file: found by walking up, read, and merged with one environment's overrides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfdeploy.documents import sources
from wfdeploy.errors import CacheDamaged, UsageError
from wfdeploy.files.bounds import Bounds
from wfdeploy.model.address import shell_word
from wfdeploy.model.project import LOCAL, Project, ServerSettings
from wfdeploy.model.run import Move
from wfdeploy.project import cache as project_cache

if TYPE_CHECKING:
    from wfdeploy.model.notification import Webhook
    from wfdeploy.model.policy import PolicyRule

DEFAULT = "default"
"""The environment where none is declared."""


def load_project(
    *,
    cwd: Path,
    file: Path | None = None,
    environment: str | None = None,
    by_cache: Path | None = None,
    remember: bool = True,
) -> Project:
    """The project that a command in `cwd` works on, for one environment.

    Without a project file everything has its default and `cwd` is the root. `local` may always be chosen as
    environment. Raises: `InvalidInput` with all that is wrong with the file; `UsageError` when environments are
    declared and none is chosen, or one that isn't declared.

    file: relative to `cwd`; wins over the search, which goes from `cwd` upwards.
    by_cache: the folder of the user's state, for commands that change nothing: a file whose content is known there need
        not be read again.
    remember: make the content known there, for the next command.
    """
    path = locate_project_file(cwd=cwd, file=file)
    if path is None:
        return Project(root=cwd.absolute(), environment=_choose(environment, (), None))
    data = _read(path, cwd, by_cache=by_cache, remember=remember)
    declared: Mapping[str, Any] = data.get("spec", {}).get("environments", {})
    chosen = _choose(environment, tuple(declared), sources.shown_path(path, cwd))
    project = _project(data, path)
    return _with_environment(replace(project, environment=chosen), declared.get(chosen) or {})


def confirm(project: Project, *, cwd: Path, by_cache: Path) -> None:
    """Read the project file itself, and compare it with what the cache gave. Raises: `CacheDamaged`."""
    if project.file is None or load_project(cwd=cwd, file=project.file, environment=project.environment) == project:
        return
    project_cache.forget(project.file, by_cache)
    raise CacheDamaged(f"the cache of {project.file.name} doesn't say what the file says", hint="run the command again")


def locate_project_file(*, cwd: Path, file: Path | None = None) -> Path | None:
    """The file that is named, relative to `cwd`, or the nearest `wfdeploy.yaml` from there upwards.

    Raises: `UsageError` for one of another name that is as near.
    """
    if file is not None:
        return Path(os.path.abspath(cwd / file))  # noqa: PTH100 - keeps links
    for folder in (cwd.absolute(), *cwd.absolute().parents):
        candidate = folder / sources.PROJECT_FILE
        is_there = os.path.lexists(candidate)  # not only a file: without one, runs would be another project's
        require_no_other(folder, cwd=cwd)
        if is_there:
            return candidate
    return None


def require_no_other(folder: Path, *, cwd: Path) -> None:
    """Raises: `UsageError` where a folder holds a project file that isn't read, because of its name."""
    own = folder / sources.PROJECT_FILE
    for name in sources.NOT_PROJECT_FILES:
        other = folder / name
        if not other.is_file() or (own.exists() and own.samefile(other)):
            continue
        shown, right = sources.shown_path(other, cwd), sources.shown_path(own, cwd)
        if own.exists():
            message = f"{shown} stands beside {right}, and only one of them can be the project file"
            raise UsageError(message, hint=f"remove {shown}; or name the file: --project-file FILE")
        message = f"{shown} is not read: the project file is called {sources.PROJECT_FILE}"
        raise UsageError(message, hint=f"rename it: mv {shell_word(shown)} {shell_word(right)}")


def _read(path: Path, cwd: Path, *, by_cache: Path | None, remember: bool) -> Mapping[str, Any]:
    """The data of the project file, checked."""
    if by_cache is not None and by_cache.resolve().is_relative_to(Bounds.around(path.parent).root):
        by_cache = None  # a CI job's HOME is often its checkout, and then anybody may have put something there
    known = None if by_cache is None else project_cache.recall(path, by_cache)
    if known is not None:
        return known
    from wfdeploy.project.document import project_document

    document = project_document(path, cwd=cwd)
    data = cast("Mapping[str, Any]", document.data)
    if by_cache is not None and remember:
        project_cache.remember(path, by_cache, document.source.text, data)
    return data


def _choose(wanted: str | None, declared: tuple[str, ...], display: str | None) -> str:
    if wanted == LOCAL or wanted in declared:
        return wanted
    if wanted is None:
        if declared:
            names = ", ".join(declared)
            message = f"{display} declares environments ({names}) and none is chosen"
            raise UsageError(message, hint=f"choose one with -e NAME, for example -e {declared[0]}, or use --local")
        return DEFAULT
    if not declared and wanted == DEFAULT:
        return DEFAULT
    import difflib

    known = tuple(dict.fromkeys((*declared, LOCAL)))
    close = difflib.get_close_matches(wanted, known, n=1)
    where = f"{display} does not declare it" if display is not None else "there is no project file that declares it"
    hint = f"did you mean {close[0]!r}?" if close else f"available: {', '.join(known)}"
    raise UsageError(f"the environment {wanted!r} is not known: {where}", hint=hint)


def _project(data: Mapping[str, Any], path: Path) -> Project:
    spec = data.get("spec", {})
    state = spec.get("state", {})
    server = spec.get("server", {})
    return Project(
        root=path.parent,
        file=path,
        name=data["metadata"]["name"],
        uid=data["metadata"].get("uid"),
        environments=tuple(spec.get("environments", {})),
        manifests=tuple(spec.get("manifests", ("manifests",))),
        **_state_place(state),
        state_take_over=state.get("takeOver", "auto") == "auto",
        state_required=state.get("required", False),
        vars=dict(spec.get("vars", {})),
        secrets=tuple(spec.get("secrets", ())),
        moved=tuple(Move(move["from"], move["to"]) for move in spec.get("moved", ())),
        notify=_webhooks(spec),
        policies=_policies(spec, path),
        server=_server(ServerSettings(url=server.get("url"), token_env=server.get("tokenEnv")), server),
    )


def _with_environment(project: Project, own: Mapping[str, Any]) -> Project:
    """The project with an environment's overrides."""
    state = own.get("state", {})
    # The embedded server begins with nothing, and its state is not the project's: settings for that one aren't meant.
    is_local = project.environment == LOCAL
    server = replace(
        _server(project.server, own.get("server", {})),
        url=own.get("url", project.server.url),
        token_env=own.get("tokenEnv", project.server.token_env),
    )
    return replace(
        project,
        **(_state_place(state) if is_local or _names_place(state) else {}),
        state_take_over=state["takeOver"] == "auto" if "takeOver" in state else project.state_take_over,
        state_required=state.get("required", False if is_local else project.state_required),
        vars={**project.vars, **own.get("vars", {})},
        secrets=tuple(dict.fromkeys((*project.secrets, *own.get("secrets", ())))),
        notify=_webhooks(own) if is_local or "notify" in own else project.notify,
        server=server,
    )


def _webhooks(holder: Mapping[str, Any]) -> tuple[Webhook, ...]:
    if not holder.get("notify"):
        return ()
    from wfdeploy.model.notification import NotificationKind, Webhook

    return tuple(
        Webhook(
            name=one["name"],
            url_env=one["urlEnv"],
            kinds=frozenset(map(NotificationKind, one["on"])) if "on" in one else frozenset(NotificationKind),
            body=one.get("body"),
        )
        for one in holder["notify"]
    )


def _policies(spec: Mapping[str, Any], path: Path) -> tuple[PolicyRule, ...]:
    if not spec.get("policies"):
        return ()
    from wfdeploy.model.policy import rules_of

    return rules_of(spec, path)


def _names_place(state: Mapping[str, Any]) -> bool:
    return not {"path", "url", "urlEnv"}.isdisjoint(state)


def _state_place(state: Mapping[str, Any]) -> dict[str, Any]:
    """Where a state is: one of three ways to say it."""
    return {
        "state_path": state.get("path"),
        "state_url": state.get("url"),
        "state_url_env": state.get("urlEnv"),
    }


def _server(base: ServerSettings, own: Mapping[str, Any]) -> ServerSettings:
    changed: dict[str, Any] = {}
    for name, attribute in (
        ("maxBatchItems", "max_batch_items"),
        ("maxBatchBytes", "max_batch_bytes"),
        ("maxMessageBytes", "max_message_bytes"),
    ):
        if name in own:
            changed[attribute] = int(own[name])
    if "insecureDestinations" in own:
        changed["insecure_destinations"] = own["insecureDestinations"]
    if "logLag" in own:
        changed["log_lag_s"] = _float_seconds(own["logLag"])
        changed["log_lag_given"] = True
    for name, attribute in (("logRetention", "log_retention_s"), ("dlqRetention", "dlq_retention_s")):
        if name in own:
            changed[attribute] = _float_seconds(own[name])
    for name, value in own.get("timeouts", {}).items():
        changed[f"{name}_timeout_s"] = _float_seconds(value)
    return replace(base, **changed)


def _float_seconds(value: str | int | float) -> float:
    if isinstance(value, int | float):
        return float(value)
    from wfdeploy.documents.scalars import microseconds

    return microseconds(value) / 1_000_000
