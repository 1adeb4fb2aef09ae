"""Documents against their JSON Schema: every error, in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from wfdeploy.documents import gate
from wfdeploy.documents import messages as words
from wfdeploy.documents.schemas import SchemaName, working_schema
from wfdeploy.model.document import Document, FieldPath, Finding, Part, subject

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

API_VERSION = "wfdeploy/v1"

_WHAT: Mapping[SchemaName, str] = {
    "manifest": "a manifest is a mapping with apiVersion, kind, metadata and spec",
    "project": "a project file is a mapping with apiVersion, kind and metadata",
}
_BEGIN: Mapping[SchemaName, str] = {
    "manifest": f"begin with 'apiVersion: {API_VERSION}' and 'kind: RunGroup', or keep other YAML out of this folder",
    "project": f"begin with 'apiVersion: {API_VERSION}' and 'kind: Project'; 'wfdeploy init' writes one",
}


def check(document: Document, schema: SchemaName) -> list[Finding]:
    """What the schema finds wrong with a document, in the order of the schema's fields; empty when it is valid."""
    misfit = _wrong_kind(document, schema)
    if misfit is not None:
        return [misfit]
    if not document.has_extreme_numbers and gate.passes(document.data, schema):
        return []
    errors = _validator(schema).iter_errors(cast("Any", document.data))
    return [finding for error in errors for finding in _of(error, document)]


@cache
def _validator(schema: SchemaName) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(working_schema(schema))


def _wrong_kind(document: Document, schema: SchemaName) -> Finding | None:
    """One finding for a document that is something else altogether, instead of one for each of its fields."""
    data = document.data
    if not isinstance(data, dict):
        message = f"{_WHAT[schema]}, not {words.kind_of(data)}"
        return Finding(document=document, path=(), code="not-a-manifest", message=message, hint=_BEGIN[schema])
    kind = data.get("kind")
    other = {"manifest": "Project", "project": "RunGroup"}[schema]
    if kind == other:
        message, hint = {
            "manifest": ("a project file is no manifest", "it belongs in wfdeploy.yaml, at the root of the project"),
            "project": ("a manifest is no project file", "groups of runs belong in files below manifests/"),
        }[schema]
        return Finding(document=document, path=("kind",), code="wrong-kind", message=message, hint=hint)
    if schema == "manifest" and "apiVersion" not in data and "kind" not in data:
        message = "this is no wfdeploy manifest: apiVersion and kind are missing"
        return Finding(document=document, path=(), code="not-a-manifest", message=message, hint=_BEGIN[schema])
    if schema == "manifest" and _is_of_another_program(data):
        message = f"this is no wfdeploy manifest: its kind is {words.shortened(str(kind))}"
        if "apiVersion" in data:
            message += f" of {words.shortened(str(data['apiVersion']))}"
        return Finding(document=document, path=("kind",), code="not-a-manifest", message=message, hint=_BEGIN[schema])
    return None


def _is_of_another_program(data: Mapping[str, Any]) -> bool:
    """Whether both words at its head belong to something else, Kubernetes for one, and aren't misspelt ones of ours."""
    kind, version = data.get("kind"), data.get("apiVersion", "")
    return (
        isinstance(kind, str)
        and isinstance(version, str)
        and not version.lower().startswith(API_VERSION.partition("/")[0])
        and words.did_you_mean(version, [API_VERSION]) is None
        and words.did_you_mean(kind, ["RunGroup"]) is None
    )


def _of(error: ValidationError, document: Document) -> Iterator[Finding]:
    path: FieldPath = tuple(error.absolute_path)
    for told in words.tell(error, path):
        part = Part.KEY if told.at_key else Part.VALUE
        yield Finding(
            document=document,
            path=told.path,
            part=part,
            code=told.code,
            message=told.message,
            hint=told.hint,
            address=subject(document, told.path),
        )
