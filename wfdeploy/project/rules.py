"""What a schema can't say about a project file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from wfdeploy.documents.values import number_problems
from wfdeploy.model.document import Document, FieldPath, Finding, dotted


def check(document: Document) -> list[Finding]:
    """What is wrong with a project file that fits its schema."""
    spec: Mapping[str, Any] = cast("Mapping[str, Any]", document.data).get("spec", {})
    findings = list(_variables(document, spec, ("spec",)))
    findings += _url(document, spec.get("server", {}).get("url"), ("spec", "server", "url"))
    for name, environment in spec.get("environments", {}).items():
        path: FieldPath = ("spec", "environments", name)
        findings += _variables(document, environment or {}, path)
        findings += _url(document, (environment or {}).get("url"), (*path, "url"))
        findings += _paths(document, environment or {}, path)
    findings += _paths(document, spec, ("spec",))
    findings += _shared_state(document, spec)
    if document.has_extreme_numbers:
        findings += _endless(document, spec.get("server", {}), ("spec", "server"))
        for name, environment in spec.get("environments", {}).items():
            server = (environment or {}).get("server", {})
            findings += _endless(document, server, ("spec", "environments", name, "server"))
    return findings


def _paths(document: Document, holder: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    """No file can have a NUL character in its name, and Python raises `ValueError` for one."""
    named: list[tuple[FieldPath, object]] = [((*path, "state", "path"), holder.get("state", {}).get("path"))]
    named += [((*path, "manifests", index), name) for index, name in enumerate(holder.get("manifests", ()))]
    for at, name in named:
        if isinstance(name, str) and "\0" in name:
            message = "a path can't hold a NUL character"
            yield Finding(document=document, path=at, code="bad-path", message=message, address=dotted(at))


def _shared_state(document: Document, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Two environments with one state file would each find the other's state, and refuse it."""
    environments: Mapping[str, Any] = spec.get("environments", {})
    everywhere = spec.get("state", {}).get("path")
    used: dict[str, str] = {}
    for name, environment in environments.items():
        own = (environment or {}).get("state", {}).get("path")
        path = own or everywhere
        if path is None:
            continue
        if path in used:
            at: FieldPath = ("spec", "environments", name, "state", "path") if own else ("spec", "state", "path")
            yield Finding(
                document=document,
                path=at,
                code="shared-state",
                message=f"the environments {used[path]} and {name} would share the state {path}",
                address=dotted(at),
                hint="give each environment its own state.path, or none: the default has the environment's name in it",
            )
            return
        used[path] = name


def _endless(document: Document, server: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    """Settings of the server are finite; to a schema, `.inf` and `.nan` are numbers like others."""
    for at, problem in number_problems(server, path):
        message, address = f"{dotted(at[-1:])} must be a finite number", dotted(at)
        yield Finding(document=document, path=at, code=problem.code, message=message, address=address)


def _variables(document: Document, holder: Mapping[str, Any], path: FieldPath) -> Iterator[Finding]:
    if document.has_expressions:
        yield from _expressions(document, holder.get("vars", {}), (*path, "vars"))


def _expressions(document: Document, value: object, path: FieldPath) -> Iterator[Finding]:
    if isinstance(value, str) and "${{" in value:
        message = "a variable's value can't hold expressions"
        hint = "write the value out; manifests put values together"
        yield Finding(
            document=document,
            path=path,
            code="expression-in-variable",
            message=message,
            address=dotted(path),
            hint=hint,
            needle="${{",
        )
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from _expressions(document, child, (*path, step))


def _url(document: Document, url: str | None, path: FieldPath) -> Iterator[Finding]:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        hint = "for example https://qstash.upstash.io"
        message = f"{url!r} is not a valid URL"
        yield Finding(document=document, path=path, code="bad-url", message=message, address=dotted(path), hint=hint)
