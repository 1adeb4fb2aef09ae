"""Documents against their JSON Schema: every error, with a message for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wfdeploy.documents import yaml_docs
from wfdeploy.documents.messages import did_you_mean, explain, kind_of, shortened
from wfdeploy.documents.schemas import SchemaName, is_surely_valid, working_schema
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, FieldPath, Finding, Part, SourceFile, subject

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
    if not document.has_extreme_numbers and is_surely_valid(document.data, schema):
        return []
    errors = _validator(schema).iter_errors(cast("Any", document.data))
    return [finding for error in errors for finding in _findings(error, document)]


@cache
def _validator(schema: SchemaName) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(working_schema(schema))


def _wrong_kind(document: Document, schema: SchemaName) -> Finding | None:
    """One finding for a document that is something else altogether, instead of one for each of its fields."""
    data = document.data
    if not isinstance(data, dict):
        message = f"{_WHAT[schema]}, not {kind_of(data)}"
        return Finding(document=document, path=(), code="not-a-manifest", message=message, hint=_BEGIN[schema])
    kind = data.get("kind")
    other = {"manifest": "Project", "project": "RunGroup"}[schema]
    if kind == other:
        message, hint = {
            "manifest": ("a project file is no manifest", "it belongs in wfdeploy.yaml, at the root of the project"),
            "project": ("a manifest is no project file", "groups of runs belong in files below manifests/"),
        }[schema]
        return Finding(document=document, path=("kind",), code="wrong-kind", message=message, hint=hint)
    if kind == "Plan" and "formatVersion" in data:
        message, hint = "this is a saved plan, and no manifest", "keep it elsewhere; 'wfdeploy apply FILE' applies it"
        return Finding(document=document, path=("kind",), code="wrong-kind", message=message, hint=hint)
    if schema == "manifest" and "apiVersion" not in data and "kind" not in data:
        message = "this is no wfdeploy manifest: apiVersion and kind are missing"
        return Finding(document=document, path=(), code="not-a-manifest", message=message, hint=_BEGIN[schema])
    if schema == "manifest" and _is_of_another_program(data):
        message = f"this is no wfdeploy manifest: its kind is {shortened(str(kind))}"
        if "apiVersion" in data:
            message += f" of {shortened(str(data['apiVersion']))}"
        return Finding(document=document, path=("kind",), code="not-a-manifest", message=message, hint=_BEGIN[schema])
    return None


def _is_of_another_program(data: Mapping[str, Any]) -> bool:
    """Whether both words at its head belong to something else, Kubernetes for one, and aren't misspelt ones of ours."""
    kind, version = data.get("kind"), data.get("apiVersion", "")
    return (
        isinstance(kind, str)
        and isinstance(version, str)
        and not version.lower().startswith(API_VERSION.partition("/")[0])
        and did_you_mean(version, [API_VERSION]) is None
        and did_you_mean(kind, ["RunGroup"]) is None
    )


def _findings(error: ValidationError, document: Document) -> Iterator[Finding]:
    path: FieldPath = tuple(error.absolute_path)
    for problem in explain(error, path):
        part = Part.KEY if problem.at_key else Part.VALUE
        yield Finding(
            document=document,
            path=problem.path,
            part=part,
            code=problem.code,
            message=problem.message,
            hint=problem.hint,
            hint_of=problem.hint_of,
            address=subject(document, problem.path),
        )


MAX_HELD = 4_000_000
"""Characters of files whose documents are held, which take about ten times as much memory."""


class _Checked(NamedTuple):
    """A document that was checked against the schema of manifests.

    document: None at the end of the file.
    before: what is wrong with the text before it.
    findings: what is wrong with the document itself.
    """

    document: Document | None
    before: list[Diagnostic]
    findings: list[Finding]


class Documents:
    """The documents of manifests, checked against their schema.

    max_held: characters of files whose documents are held, so that a command which reads a file twice parses it once.
    """

    def __init__(self, max_held: int = 0) -> None:
        self._room = max_held
        self._held: dict[str, tuple[str, list[_Checked]]] = {}  # by the name of the file: its text, and what is in it

    def of(self, source: SourceFile, problems: list[Diagnostic]) -> Iterator[tuple[Document, list[Finding]]]:
        """Yield the documents of a file, in order, each with what the schema finds wrong with it. What else is wrong is
        added to `problems`."""
        text, held = self._held.get(source.display, ("", []))
        checked: Iterable[_Checked] = held if held and text == source.text else self._read(source)
        for document, before, findings in checked:
            problems += before
            if document is not None:
                yield document, findings

    def _read(self, source: SourceFile) -> Iterator[_Checked]:
        has_room = len(source.text) <= self._room
        problems: list[Diagnostic] = []
        held: list[_Checked] = []
        seen = 0
        for document in chain(yaml_docs.read(source, problems), (None,)):
            findings = [] if document is None else check(document, "manifest")
            one = _Checked(document, problems[seen:], findings)
            seen = len(problems)
            if has_room:
                held.append(one)
            yield one
        if has_room:
            self._room -= len(source.text)
            self._held[source.display] = source.text, held
