"""Save a plan to a file: what was reviewed is applied, or nothing is.

The file holds digests and addresses, never secrets or bodies. Apply makes the plan anew and compares.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfdeploy.errors import StalePlan, UsageError
from wfdeploy.files.access import read_at_most, replace_file, write_through
from wfdeploy.manifests.identify.digest import digest
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.plan import Plan, Refresh, Selection

KIND = "Plan"
FORMAT_VERSION = 1
_MOST_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """What has to be known of a plan to apply exactly that."""

    paths: tuple[str, ...] | None
    selection: Selection
    project: str
    environment: str
    url: str
    lineage: str
    serial: int
    manifests: str
    changes: str
    new_state: bool

    @classmethod
    def of(cls, plan: Plan, *, paths: Sequence[str] | None, selection: Selection, new_state: bool) -> SavedPlan:
        """Save the plan that was just made. `new_state`: there was no state. Raises: `StalePlan`, if unverified."""
        if not plan.verified:
            raise _unverified("the plan")
        return cls(
            paths=None if paths is None else tuple(paths),
            selection=selection,
            project=plan.project,
            environment=plan.environment,
            url=plan.url,
            lineage=plan.lineage,
            serial=plan.serial,
            manifests=plan.manifests_digest,
            changes=changes_digest(plan),
            new_state=new_state,
        )

    def check(self, plan: Plan, *, is_shared: bool = False) -> None:
        """Check that `plan`, made now, is the saved one. Raises: `StalePlan` with the reason.

        is_shared: whether the state is a shared one. Its serial grows with each command that takes the lease, so only
            what the plan does is compared.
        """
        if (self.project, self.environment, self.url) != (plan.project, plan.environment, plan.url):
            raise StalePlan(
                f"the plan was made for project {self.project}, environment {self.environment}, server {self.url}",
                hint="apply it with the same target",
            )
        if not self.new_state and self.lineage != plan.lineage:
            raise _stale("it was made from another state")
        if self.manifests != plan.manifests_digest:
            raise _stale("the manifests have changed since it was made")
        if not self.new_state and not is_shared and self.serial != plan.serial:
            raise _stale("the state has moved on since it was made")
        if self.changes != changes_digest(plan):
            raise _stale("the server's runs or the state have moved on since it was made")


def plan_file_text(plan: Plan, *, paths: Sequence[str] | None, selection: Selection, new_state: bool) -> str:
    """The content of a plan file."""
    content = {
        "apiVersion": "wfdeploy/v1",
        "kind": KIND,
        "formatVersion": FORMAT_VERSION,
        "verified": plan.verified,
        "paths": None if paths is None else list(paths),
        "selection": {
            "targets": list(selection.targets),
            "replace": list(selection.replace),
            "limit": selection.limit,
            "prune": selection.prune,
            "refresh": selection.refresh.value,
            "variables": dict(selection.variables),
        },
        "target": {"project": plan.project, "environment": plan.environment, "url": plan.url},
        "state": {"lineage": plan.lineage, "serial": plan.serial, "new": new_state},
        "manifests": plan.manifests_digest,
        "changes": changes_digest(plan),
        "summary": {action.value: count for action, count in plan.summary.items()},
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def save_plan(text: str, path: Path) -> None:
    """Write a plan file, mode 0600.

    A plan that is there is replaced, and a link to one followed; pipes and devices are written through.
    Raises: `UsageError` when it can't be written, or when a file that is no plan would be lost.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            write_through(target, text.encode())
            return
        _require_replaceable(path, target)
        replace_file(target, text.encode())
    except RuntimeError as error:  # how `resolve` says that links lead in a circle
        raise UsageError(f"cannot write the plan {path}: it is a link to itself") from error
    except OSError as error:
        reason = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
        raise UsageError(f"cannot write the plan {path}: {reason}") from error


def _require_replaceable(path: Path, target: Path) -> None:
    """Raises: `UsageError` where a file that is no plan would be lost; an empty one, as mktemp makes it, is no loss."""
    if target.exists() and target.stat().st_size and not is_plan_file(target):
        raise UsageError(
            f"{path} is there already, and is not a plan",
            hint="give --out another name, or remove the file if nobody needs it",
        )


def is_plan_file(path: Path) -> bool:
    """Whether a file is a saved plan, by its content."""
    try:
        if not path.is_file():  # opening a pipe would wait for whoever writes into it
            return False
        with path.open("rb") as file:
            head = file.read(1 << 16)
        return (
            head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
            and json.loads(read_at_most(path, _MOST_BYTES)).get("kind") == KIND
        )
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def read_plan(path: Path) -> SavedPlan:
    """Read a plan file. Raises: `StalePlan` when it is unverified, of another format or damaged."""
    try:
        content = json.loads(read_at_most(path, _MOST_BYTES))
        if not isinstance(content, dict) or (content["kind"], content["formatVersion"]) != (KIND, FORMAT_VERSION):
            raise StalePlan(f"{path} is not a plan of this format", hint="make a new one with `wfdeploy plan --out`")
        verified, saved = content["verified"], _saved(content)
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from error
    except (ValueError, KeyError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise StalePlan(f"{path} is not a plan: {reason}", hint="make a new one with `wfdeploy plan --out`") from error
    if verified is not True:
        raise _unverified(f"the plan {path}")
    return saved


def _unverified(plan: str) -> StalePlan:
    return StalePlan(
        f"{plan} is unverified: it was made without asking the server",
        hint="make it with a token and without --offline",
    )


def saved_plan_among(paths: Sequence[str] | None, selection: Selection) -> Path | None:
    """The saved plan among the paths, recognized by its content. It must stand alone.

    Raises: `UsageError` when other paths or options are given beside it.
    """
    plans = [path for path in paths or () if path != "-" and is_plan_file(Path(path))]
    if not plans:
        return None
    if len(paths or ()) > 1:
        raise UsageError(f"{plans[0]} is a saved plan; it is applied alone, without other paths")
    if selection != Selection():
        raise UsageError(
            f"{plans[0]} is a saved plan; it says already what it is about",
            hint="leave out --target, --replace, --limit, --prune, --refresh and --var, or make a new plan with them",
        )
    return Path(plans[0])


def _saved(content: Mapping[str, Any]) -> SavedPlan:
    """Read a plan file's content strictly, since it decides what is sent. Raises: `ValueError`."""
    match content:
        case {
            "paths": None | list() as paths,
            "selection": {
                "targets": list() as targets,
                "replace": list() as replace,
                "limit": None | int() as limit,
                "prune": bool() as prune,
                "refresh": str() as refresh,
                "variables": dict() as variables,
            },
            "target": {"project": str() as project, "environment": str() as environment, "url": str() as url},
            "state": {"lineage": str() as lineage, "serial": int() as serial, "new": bool() as new_state},
            "manifests": str() as manifests,
            "changes": str() as changes,
        } if _are_texts([*(paths or ()), *targets, *replace, *variables.values()]) and type(limit) is not bool:
            return SavedPlan(
                paths=None if paths is None else tuple(paths),
                selection=Selection(
                    targets=tuple(targets),
                    replace=tuple(replace),
                    limit=limit,
                    prune=prune,
                    refresh=Refresh(refresh),
                    variables=variables,
                ),
                project=project,
                environment=environment,
                url=url,
                lineage=lineage,
                serial=serial,
                new_state=new_state,
                manifests=manifests,
                changes=changes,
            )
    raise ValueError("a field is missing, or has a value that plans don't have")


def _are_texts(values: Sequence[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def changes_digest(plan: Plan) -> str:
    """Digest what the plan would do: actions, identities, sends. Reasons and diffs follow from these."""
    return digest(
        canonical_json(
            [
                [change.address, change.action.value, change.workflow_run_id, change.fingerprint, change.sends]
                for change in plan.changes
            ]
        )
    )


def _stale(reason: str) -> StalePlan:
    return StalePlan(
        f"the saved plan is stale: {reason}", hint="make a new one with `wfdeploy plan --out`, and review it"
    )
