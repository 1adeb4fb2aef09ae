"""The files of a new project. What is there already is left as it is."""

from __future__ import annotations

import json
import os
import re
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from wfdeploy.cli.origin import Origin
from wfdeploy.cli.schema_files import FOLDER, schema_files
from wfdeploy.errors import UsageError
from wfdeploy.files.access import read_at_most
from wfdeploy.files.bounds import Bounds
from wfdeploy.project.file import require_no_other
from wfdeploy.wiring.checkout import require_as_named

FILES: Mapping[str, str] = {
    "wfdeploy.yaml": "wfdeploy.yaml",
    "manifests/hello.yaml": "hello.yaml",
    ".gitignore": "gitignore",
    ".gitattributes": "gitattributes",
}
"""File of the project -> template."""

CI_FILES: Mapping[str, Mapping[str, str]] = {
    "github": {
        ".github/workflows/wfdeploy.yml": "github.yml",
        ".github/workflows/wfdeploy-operate.yml": "github-operate.yml",
    },
    "gitlab": {".gitlab-ci.yml": "gitlab.yml"},
}
"""Host of the pipelines -> file of the project -> template."""

_CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role (aws-actions/configure-aws-credentials)",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS, or workload identity (google-github-actions/auth)",
    "azure": "AZURE_CLIENT_ID, AZURE_TENANT_ID and what belongs to them (azure/login)",
    "postgres": "PGUSER and PGPASSWORD",
}
"""Extra of the package -> what a pipeline needs beside the token."""

_UID_LETTERS = string.ascii_lowercase + string.digits
_UID_LENGTH = 16
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of the scaffold. `missing`: lines of the template that a file left as it was doesn't hold."""

    name: str
    created: bool
    missing: tuple[str, ...] = ()


def scaffold(
    folder: Path, *, name: str, ci: str | None, origin: Callable[[], Origin], state_url: str | None = None
) -> Sequence[WrittenFile]:
    """Write the files that aren't there.

    origin: where a pipeline gets wfdeploy from; only called if one is to be written.
    state_url: of a shared state; then a pipeline needs no cache.

    Raises: `UsageError` when the folder can't be written, and for a URL that has no place in a file.
    """
    wanted = dict(FILES)
    # Before it is looked through: a link may lead to all files of the machine.
    require_no_other(folder, cwd=Path.cwd())
    require_as_named("the folder", "manifests", folder=folder, bounds=Bounds.around(folder))
    values = {"NAME": name, "UID": new_uid(), "PLACES": "", **_of_shared_state(state_url)}
    pipelines = CI_FILES[ci] if ci is not None else {}
    kept = {path for path in pipelines if os.path.lexists(folder / path)}
    schemas = {f"{FOLDER}/{name}": text for name, text in schema_files().items()}
    if len(kept) < len(pipelines):
        values |= _of_origin(ci, origin(), extra=values.get("EXTRA"))
    try:
        if any((folder / "manifests").glob("**/*.y*ml")):
            del wanted["manifests/hello.yaml"]  # somebody's manifests are there: no example among them
        return [
            WrittenFile(path, created=False) if path in kept else _write(folder, path, _filled(template, values))
            for path, template in (wanted | dict(pipelines)).items()
        ] + [_write(folder, path, text) for path, text in schemas.items()]
    except OSError as error:
        raise UsageError(f"{error.filename or folder} can't be written: {error.strerror}") from error


def project_name(folder: Path) -> str:
    """A name for the project, after its folder."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:63].strip("-")
    return name or "my-project"


def new_uid() -> str:
    """Random, and so unlike that of any other project."""
    return "".join(secrets.choice(_UID_LETTERS) for _ in range(_UID_LENGTH))


def _write(folder: Path, name: str, text: str) -> WrittenFile:
    path = folder / name
    require_as_named("the file", name, folder=folder, bounds=Bounds.around(folder))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:  # x: never over a file, a race included
            file.write(text)
    except FileExistsError:
        return WrittenFile(name, created=False, missing=_missing(path, text))
    return WrittenFile(name, created=True)


def _missing(path: Path, text: str) -> tuple[str, ...]:
    """For lists of patterns, what the user may want to add."""
    if path.name not in (".gitignore", ".gitattributes"):
        return ()
    try:
        present = {line.strip() for line in read_at_most(path, _MOST_BYTES).decode(errors="replace").splitlines()}
    except OSError:
        return ()
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(line for line in lines if line not in present)


def _of_shared_state(url: str | None) -> Mapping[str, str]:
    """What the templates say of a shared state."""
    if url is None:
        return {}
    from wfdeploy.sharedlog.opening import extra_of, has_password, origins, without_secrets

    if has_password(url):
        raise UsageError(
            f"{without_secrets(url)} carries a password, which has no place in a file",
            hint="leave it out; credentials come from the environment",
        )
    extra = extra_of(url)
    return {
        "URL": json.dumps(url),
        "EXTRA": extra,
        "PLACES": "".join(f" state={place}" for place in origins(url)),
        "CREDENTIALS": _CREDENTIALS[extra],
    }


def _of_origin(ci: str | None, origin: Origin, *, extra: str | None) -> Mapping[str, str]:
    """What the templates say of where wfdeploy comes from."""
    if ci == "github":
        return {"ACTION": origin.action, "CHECKOUT": _CHECKOUT}
    name = f"wfdeploy[{extra}]" if extra else "wfdeploy"
    return {"INCLUDE": origin.include, "PACKAGE": f"{name} @ {origin.archive}"}


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = (resources.files("wfdeploy.cli") / "templates" / template).read_text(encoding="utf-8")
    kept = "SHARED" if "URL" in values else "FILE"
    text = re.sub(
        r"^ *@@IF-(FILE|SHARED)\n(.*?)^ *@@END\n",
        lambda match: match[2] if match[1] == kept else "",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    return re.sub(r"@@([A-Z]+)@@", lambda match: values[match[1]], text)
