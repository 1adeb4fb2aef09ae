"""The project file as a document: read, and checked. A command that finds it in the cache doesn't come here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from wfdeploy.documents import sources, structure, yaml_docs
from wfdeploy.documents.positions import diagnose
from wfdeploy.documents.values import number_problems
from wfdeploy.errors import InvalidInput
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import Document, FieldPath, Finding, dotted
from wfdeploy.model.project import Project, ServerSettings


def project_document(path: Path, *, cwd: Path) -> Document:
    """The one document of a project file, valid. Raises: `InvalidInput`."""
    problems: list[Diagnostic] = []
    display = sources.shown_path(path, cwd)
    source = None
    if _is_within(path, display, problems):
        source = sources.read(sources.Found(display, path), root=path.parent, cwd=cwd, stdin=None, problems=problems)
    documents = [] if source is None else list(yaml_docs.read(source, problems))
    findings = [finding for document in documents[:1] for finding in structure.check(document, "project")]
    if documents and not findings:
        findings = _rule_findings(documents[0])
    for extra in documents[1:]:
        message = "a project file holds one document"
        findings.append(Finding(document=extra, path=(), code="second-document", message=message))
    if source is not None and not documents and not problems:
        hint = "it needs at least apiVersion, kind and metadata.name; 'wfdeploy init' writes one"
        problems.append(
            Diagnostic(code="empty-file", message="this project file is empty", place=Place(display), hint=hint)
        )
    diagnostics = [*problems, *diagnose(findings)]
    if diagnostics:
        raise InvalidInput(diagnostics)
    return documents[0]


def _is_within(path: Path, display: str, problems: list[Diagnostic]) -> bool:
    """Whether it isn't a link to somewhere else, whose content would be shown where it makes no sense."""
    try:
        Bounds.around(path.parent).named(path.parent, [path.name]).resolve(path)
    except OutOfBoundsError as error:
        problems.append(Diagnostic(code="out-of-bounds", message=f"this {error.reason}", place=Place(display)))
        return False
    return True


def presumed_project(path: Path | None, *, cwd: Path) -> Project:
    """What can be presumed of a project whose file is wrong: where it is and where its manifests are.

    Its limits are such that nothing is refused for their sake.
    """
    if path is None:
        return Project(root=cwd.absolute())
    found = sources.Found(path.name, path)
    is_within = _is_within(path, path.name, [])
    source = sources.read(found, root=path.parent, cwd=cwd, stdin=None, problems=[]) if is_within else None
    data = next((document.data for document in yaml_docs.read(source, [])), None) if source is not None else None
    spec = data.get("spec") if isinstance(data, dict) else None
    named = spec.get("manifests") if isinstance(spec, dict) else None
    manifests = tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()
    if not manifests and (path.parent / "manifests").is_dir():
        manifests = ("manifests",)
    server = ServerSettings(insecure_destinations=True, max_message_bytes=sources.MAX_FILE_BYTES)
    return Project(root=path.parent, file=path, manifests=manifests, server=server)


def _rule_findings(document: Document) -> list[Finding]:
    """What is wrong with a project file that fits its schema."""
    root: FieldPath = ("spec",)
    spec: Mapping[str, Any] = cast("Mapping[str, Any]", document.data).get("spec", {})
    environments = {(*root, "environments", name): one or {} for name, one in spec.get("environments", {}).items()}
    findings = list(_variables(document, spec, root))
    findings += _url(document, spec.get("server", {}).get("url"), (*root, "server", "url"))
    for path, environment in environments.items():
        findings += _variables(document, environment, path)
        findings += _url(document, environment.get("url"), (*path, "url"))
        findings += _paths(document, environment, path)
    findings += _paths(document, spec, root)
    findings += _shared_state(document, spec)
    for path, holder in {root: spec, **environments}.items():
        findings += _state_place(document, holder.get("state", {}), (*path, "state"))
    for path, holder in {root: spec, **environments}.items():
        findings += _own_names(document, holder.get("notify", ()), (*path, "notify"), "webhook")
    findings += _own_names(document, spec.get("policies", ()), (*root, "policies"), "policy")
    if document.has_extreme_numbers:
        for path, holder in {root: spec, **environments}.items():
            findings += _not_finite(document, holder.get("server", {}), (*path, "server"))
    return findings


def _finding(
    document: Document, path: FieldPath, code: str, message: str, *, hint: str | None = None, needle: str | None = None
) -> Finding:
    return Finding(
        document=document, path=path, code=code, message=message, address=dotted(path), hint=hint, needle=needle
    )


def _paths(document: Document, holder: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    """No file can have a NUL character in its name, and Python raises `ValueError` for one."""
    named: list[tuple[FieldPath, object]] = [((*path, "state", "path"), holder.get("state", {}).get("path"))]
    named += [((*path, "manifests", index), name) for index, name in enumerate(holder.get("manifests", ()))]
    for at, name in named:
        if isinstance(name, str) and "\0" in name:
            yield _finding(document, at, "bad-path", "a path can't hold a NUL character")


def _state_place(document: Document, state: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    """A state is in one place, and a file that is committed holds no password."""
    places = [name for name in ("path", "url", "urlEnv") if name in state]
    if len(places) > 1:
        message = f"state.{places[1]} stands beside state.{places[0]}, and a state is in one place"
        yield _finding(document, (*path, places[1]), "two-state-places", message, hint="leave one of them out")
    url = state.get("url", "")
    try:
        has_password = urlsplit(url).password is not None or re.search(r"[?&](ssl)?password=", url) is not None
    except ValueError:
        yield _finding(document, (*path, "url"), "bad-url", f"{url!r} is not a valid URL")
        return
    if has_password:
        yield _finding(
            document,
            (*path, "url"),
            "password-in-file",
            "a password has no place in a file that is committed",
            hint="put the whole URL into a variable, and name that: state.urlEnv: WFDEPLOY_STATE_URL",
        )


def _own_names(
    document: Document, entries: Sequence[Mapping[str, Any]], path: FieldPath, noun: str
) -> Iterator[Finding]:
    """The state remembers by a webhook's name what was delivered to it; messages name policies."""
    names = [entry["name"] for entry in entries]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"another {noun} is called {name} already"
            yield _finding(document, (*path, index, "name"), "duplicate-name", message, hint="give each its own name")


def _shared_state(document: Document, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Two environments with one state would each find the other's, and refuse it."""
    used: dict[tuple[str, str], str] = {}
    for name, environment in spec.get("environments", {}).items():
        own = _place_of((environment or {}).get("state", {}))
        place = own or _place_of(spec.get("state", {}))
        if place is None:
            continue
        field, value = place
        if place in used:
            at: FieldPath = ("spec", "environments", name, "state", field) if own else ("spec", "state", field)
            message = f"the environments {used[place]} and {name} would share the state {value}"
            hint = f"give each environment its own state.{field}"
            if field == "path":
                hint += ", or none: the default has the environment's name in it"
            yield _finding(document, at, "shared-state", message, hint=hint)
            return
        used[place] = name


def _place_of(state: Mapping[str, Any]) -> tuple[str, str] | None:
    """Where a state is, by the field that says it."""
    return next(((field, state[field]) for field in ("path", "url", "urlEnv") if field in state), None)


def _not_finite(document: Document, server: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    """Settings of the server are finite; to a schema, `.inf` and `.nan` are numbers like others."""
    for at, problem in number_problems(server, path):
        yield _finding(document, at, problem.code, f"{dotted(at[-1:])} must be a finite number")


def _variables(document: Document, holder: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    if document.has_expressions:
        yield from _expressions(document, holder.get("vars", {}), (*path, "vars"))


def _expressions(document: Document, value: object, path: FieldPath) -> Iterator[Finding]:
    if isinstance(value, str) and "${{" in value:
        message, hint = (
            "a variable's value can't hold expressions",
            "write the value out; manifests put values together",
        )
        yield _finding(document, path, "expression-in-variable", message, hint=hint, needle="${{")
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from _expressions(document, child, (*path, step))


def _url(document: Document, url: str | None, path: FieldPath) -> Iterator[Finding]:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_valid = False
    if not is_valid:
        yield _finding(
            document, path, "bad-url", f"{url!r} is not a valid URL", hint="for example https://qstash.upstash.io"
        )
