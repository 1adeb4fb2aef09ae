"""Diagnose a set-up from the ground up: versions, files, git, and then the state and the server.

A use case that begins without a workspace: what keeps one from being opened is what it reports.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wfdeploy import __version__
from wfdeploy.errors import (
    ExitCode,
    InvalidInput,
    RemoteFailure,
    StateError,
    UsageError,
    WfdeployError,
    Withheld,
    several,
)
from wfdeploy.files.ignoring import is_ignored
from wfdeploy.files.tracking import UnreadableIndexError, tracked, work_tree
from wfdeploy.model.checks import Check, CheckStatus, Diagnosis, ProbeReport, ok, problem, skipped, warning
from wfdeploy.model.project import LOCAL
from wfdeploy.wiring.checkout import OWN_FOLDER, require_untracked
from wfdeploy.wiring.settings import Settings, resolve

if TYPE_CHECKING:
    from wfdeploy.manifests.manifests import Checked
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.ports import Listener
    from wfdeploy.workspace import Workspace

Open: TypeAlias = Callable[[Settings, bool], AbstractContextManager["Workspace"]]
"""Opens the workspace of settings, online or not. Its requests need no lease."""

Probe: TypeAlias = Callable[["Workspace"], ProbeReport]

_LATER = ("git", "state", "storage", "lock", "server", "token", "clock", "limits")

_OF_STATES = {"s3": "obstore", "gcs": "obstore", "azure": "obstore", "postgres": "psycopg"}
"""Extra -> a package of it."""

_SDKS = "@upstash/workflow 1.0 or later (JavaScript), upstash-workflow 1.0 or later (Python)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What is to be diagnosed."""

    options: TargetOptions

    environ: Mapping[str, str]

    cwd: Path

    variables: Mapping[str, str]


def diagnose(where: Where, listener: Listener, open_: Open, probe: Probe | None = None) -> Diagnosis:
    """Check everything, and try the server out if `probe` is given and no problem was found. Nothing is raised for what
    is found.
    """
    checks = [_versions()]
    try:
        settings = resolve(where.options, where.environ, cwd=where.cwd)
    except (InvalidInput, UsageError) as error:
        first = error.diagnostics[0] if isinstance(error, InvalidInput) else None
        message, hint = (error.message, error.hint) if first is None else (str(first), first.hint)
        checks.append(problem("project", message, hint, exit_code=error.exit_code))
        checks += (skipped(name, "the project comes first") for name in ("manifests", "schema", *_LATER))
        return Diagnosis(checks=tuple(checks))
    checks += [*_extras(settings), _project(settings), *_manifests(where, settings, listener), _git(settings)]
    try:
        return _examine(settings, checks, open_, probe)
    except (StateError, UsageError) as error:
        if not any(check.status is CheckStatus.PROBLEM for check in checks):  # git's is the same
            checks.append(problem("state", error.message, error.hint, exit_code=error.exit_code))
        known = {check.name for check in checks}
        checks += (skipped(name, "what it depends on can't be used") for name in _LATER if name not in known)
        return Diagnosis(checks=tuple(checks))


def _examine(settings: Settings, checks: list[Check], open_: Open, probe: Probe | None) -> Diagnosis:
    """Raises: `StateError` where the state can't even be looked at."""
    from wfdeploy.operations.doctor import examine

    unasked = None if probe is not None else _unasked(settings)
    with open_(replace(settings, ignored=None), unasked is None) as workspace:  # that is a check of ours
        checks += examine(workspace, unasked=unasked)
        if probe is None:
            return Diagnosis(checks=tuple(checks))
        wrong = [check.name for check in checks if check.status is CheckStatus.PROBLEM]
        if wrong:
            checks.append(skipped("probe", f"first solve what is wrong with: {', '.join(dict.fromkeys(wrong))}"))
            return Diagnosis(checks=tuple(checks))
        try:
            return Diagnosis(checks=tuple(checks), probe=probe(workspace))
        except (RemoteFailure, Withheld) as error:
            checks.append(problem("probe", error.message, error.hint, exit_code=error.exit_code))
            return Diagnosis(checks=tuple(checks))


def _unasked(settings: Settings) -> str | None:
    """Why the server isn't asked; None if it is. The embedded one would be made, and would deliver what is due."""
    if not settings.target.local:
        return None
    try:
        from wfdeploy.localserver.instance import find_running
    except ModuleNotFoundError:
        return "the embedded server is not installed"
    is_running = find_running(settings.local_database) is not None
    return None if is_running else "the embedded server runs while a command needs it; `wfdeploy dev` keeps it running"


# --- what is installed ---------------------------------------------------------------------------------------


def _versions() -> Check:
    from wfdeploy.state import VERSION

    python = ".".join(map(str, sys.version_info[:3]))
    return ok("versions", f"wfdeploy {__version__}, state format {VERSION}, Python {python}")


def _extras(settings: Settings) -> Iterator[Check]:
    """Check the packages that server, policies and state need. Those of data files are reported with the manifests."""
    needed = {"local": "starlette"} if settings.target.local else {}
    if settings.target.project.policies:
        needed["policy"] = "cel_expr_python"
    if settings.target.state_url is not None:
        from wfdeploy.sharedlog.opening import extra_of

        extra = extra_of(settings.target.state_url)
        needed[extra] = _OF_STATES[extra]
    missing = [extra for extra, module in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        names = ",".join(missing)
        hint = f"pip install 'wfdeploy[{names}]'"
        yield problem("extras", f"not installed: {names}", hint, exit_code=ExitCode.USAGE)
    elif needed:
        yield ok("extras", f"installed: {', '.join(needed)}")


# --- files ---------------------------------------------------------------------------------------------------


def _project(settings: Settings) -> Check:
    project = settings.target.project
    if project.file is None:
        return warning("project", "there is no project file, so the project is 'default'", "wfdeploy init")
    if settings.ignored is not None:
        return warning("project", *settings.ignored)
    return ok("project", f"{project.file}: {project.name}, environment {project.environment}")


def _manifests(where: Where, settings: Settings, listener: Listener) -> Iterator[Check]:
    from wfdeploy.wiring.validation import Validation, check_all

    environment = LOCAL if settings.target.local else where.options.environment
    # Standard input, which may hold the token, was read.
    options = replace(where.options, environment=environment, local=False, token=None, token_file=None)
    try:
        found = check_all(
            Validation(
                options=options,
                environ=where.environ,
                cwd=where.cwd,
                paths=None,
                variables=where.variables,
                listener=listener,
            )
        )
    except WfdeployError as error:
        yield problem("manifests", error.message, error.hint, exit_code=error.exit_code)
        return
    errors = [diagnostic for diagnostic in found.diagnostics if diagnostic.is_error]
    text = f"{several(len(found.files), 'file')}, {several(len(found.groups), 'group')}, {several(found.runs)}"
    hint = "wfdeploy validate shows each"
    if errors:
        message = f"{text}; {several(len(errors), 'error')}, first: {errors[0]}"
        yield problem("manifests", message, hint, exit_code=ExitCode.INVALID)
    elif found.diagnostics:
        yield warning("manifests", f"{text}; {several(len(found.diagnostics), 'warning')}", hint)
    else:
        yield ok("manifests", text)
    yield from _schemas(where.cwd, settings, found)
    yield ok("endpoints", f"not asked; their SDK must be {_SDKS}")


def _schemas(cwd: Path, settings: Settings, found: Checked) -> Iterator[Check]:
    from wfdeploy.wiring.schema_lines import SchemaLine, read_schema_lines

    project = settings.target.project
    files: list[tuple[str, Path]] = [("manifest", cwd / name) for name in sorted(found.files)]
    if project.file is not None:
        files.append(("project", project.file))
    lines: Sequence[SchemaLine] = list(read_schema_lines(files, project.bounds))
    wrong = {line.named: line for line in lines if line.problem is not None}
    for line in wrong.values():
        assert line.problem is not None
        renewed = f"wfdeploy schema {line.kind} > FILE writes that of this version"
        yield warning("schema", f"{line.file} names {line.named}: {line.problem}", renewed)
    if not wrong:
        text = f"{several(len(lines), 'file')} of {len(files)} name one for editors"
        yield ok("schema", f"{text}; validation uses that of this version")


def _git(settings: Settings) -> Check:
    """Check that git takes neither secrets nor what only this machine writes."""
    target = settings.target
    root = target.project.root
    if work_tree(root) is None:
        return skipped("git", f"{root} is in no work tree of git")
    try:
        if target.state_url is None:
            require_untracked(root, target.state_file)
        secrets = tracked(root, _env_files(root))
    except StateError as error:
        return problem("git", error.message, error.hint, exit_code=error.exit_code)
    except (UnreadableIndexError, OSError) as error:
        return problem("git", f"git's index can't be read: {error}", "git status", exit_code=ExitCode.STATE)
    if secrets is not None:
        return warning(
            "git",
            f"git tracks {secrets}, which usually holds secrets",
            f"git rm --cached {secrets}, add it to .gitignore, and renew the secrets in it",
        )
    kept = [root / OWN_FOLDER / "cache" / "catalogue.db"] + ([] if target.state_url else [target.state_file])
    exposed = [path for path in kept if not is_ignored(path, settings.process_environ)]
    if exposed:
        return warning(
            "git",
            f"git doesn't ignore {os.path.relpath(exposed[-1], root)}: `git add .` would take it along",
            f"add a line to .gitignore: {OWN_FOLDER}/",
        )
    return ok("git", f"{OWN_FOLDER} and the state are ignored, and no .env file is tracked")


def _env_files(root: Path) -> Iterator[str]:
    """The names of files with secrets in a folder, by custom. Raises: `OSError`."""
    examples = (".example", ".sample", ".template", ".dist")
    for entry in os.scandir(root):
        if entry.name == ".env" or (entry.name.startswith(".env.") and not entry.name.endswith(examples)):
            yield entry.name
