"""Documents against their JSON Schema: every error, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from wfdeploy.model.document import Document, FieldPath, Finding, Part, subject
from wfdeploy.pipeline.validate import words
from wfdeploy.pipeline.validate.schemas import SchemaName, working_schema

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

API_VERSION = "wfdeploy/v1"


def check(document: Document, schema: SchemaName) -> list[Finding]:
    """What the schema finds wrong with a document, in the order of the schema's fields; empty when it is valid."""
    misfit = _wrong_kind(document, schema)
    if misfit is not None:
        return [misfit]
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
        message = f"a manifest is a mapping with apiVersion, kind, metadata and spec, not {words.kind_of(data)}"
        return Finding(document=document, path=(), code="not-a-manifest", message=message)
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
        hint = f"begin with 'apiVersion: {API_VERSION}' and 'kind: RunGroup', or keep other YAML out of this folder"
        return Finding(document=document, path=(), code="not-a-manifest", message=message, hint=hint)
    return None


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
