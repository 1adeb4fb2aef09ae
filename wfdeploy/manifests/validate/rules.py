"""What a schema can't say about manifests: rules for the effective values of runs, and across documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from wfdeploy.documents.values import (
    OwnIds,
    Problem,
    flow_control_problems,
    header_problems,
    header_value_problem,
    is_header_name,
    label_problem,
    number_problems,
    retry_delay_problem,
    url_problem,
    url_warnings,
)
from wfdeploy.manifests.validate.groups import group_problems
from wfdeploy.model.diagnostic import Place, Severity
from wfdeploy.model.document import MAX_ROW_FINDINGS, Document, FieldPath, Finding, Part, subject
from wfdeploy.model.request import Body, BodyKind, Delivery, Template, Text
from wfdeploy.model.run import DeclaredRun


class RowFindings:
    """Findings about generated runs, at the row that a bad value comes from.

    The first ten thousand of one kind, about one field, are reported; the others are counted in one more finding, which
    is kept up to date in its place.
    """

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._counts: dict[tuple[int, FieldPath, str], int] = {}
        self._rest: dict[tuple[int, FieldPath, str], int] = {}  # where in `findings` the others are counted

    def note(self, document: Document, path: FieldPath, problem: Problem, run: DeclaredRun) -> None:
        """A value that won't do, of one row."""
        kind = (id(document), path[:4], problem.code)
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count > MAX_ROW_FINDINGS:
            message = f"{count - MAX_ROW_FINDINGS:,} more runs with a problem like the last"
            finding = Finding(
                document=document, path=path, code=problem.code, message=message, address=run.address.partition("[")[0]
            )
            if count == MAX_ROW_FINDINGS + 1:
                self._rest[kind] = len(self._findings)
                self._findings.append(finding)
            else:
                self._findings[self._rest[kind]] = finding
            return
        source = run.source
        place = None if source.data is None else Place(document.source.shown(source.data), source.row or 1)
        self._findings.append(
            Finding(
                document=document,
                path=path,
                code=problem.code,
                message=problem.message,
                hint=problem.hint,
                address=run.address,
                place=place,
            )
        )


def varies(document: Document, path: FieldPath) -> bool:
    """Whether the value at a path of a run's template, or what holds it, is made of expressions."""
    node: Any = document.data
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            break
    return path[:2] == ("spec", "runs") and "${{" in (node if isinstance(node, str) else json.dumps(node, default=str))


_BODIES = ("body", "bodyText", "bodyFile")
_MOST_KEPT = 10_000
"""Values that are remembered as sound, or not: generated runs may all have their own."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Rules:
    """Collects findings about runs, as they come by. Values that many runs share are looked at once.

    extreme_variables: some variable holds a number that JSON can't carry, so that bodies have to be searched even where
        the document has none.
    names: also look for groups and listed runs that are declared twice, which takes holding all documents.
    loopback: destinations may be on this machine.
    """

    def __init__(
        self,
        *,
        insecure: bool,
        max_message_bytes: int,
        extreme_variables: bool = False,
        names: bool = True,
        loopback: bool = True,
    ) -> None:
        self.findings: list[Finding] = []
        self._insecure = insecure
        self._loopback = loopback
        self._max_bytes = max_message_bytes
        self._extreme_variables = extreme_variables
        self._look_at_names = names
        self._rows = RowFindings(self.findings)
        self._generated: DeclaredRun | None = None  # the run that is being looked at, if a generator made it
        self._noted = 0
        self._reported: set[tuple[int, FieldPath, str, str]] = set()
        self._groups: dict[str, Document] = {}
        self._names: dict[str, tuple[Document, int]] = {}
        self._own_ids = OwnIds()
        self._urls: dict[tuple[str, Text], tuple[tuple[Problem, Severity], ...]] = {}
        self._sound: dict[int, object] = {}  # by id: what nothing is wrong with of this document
        self._shared: dict[int, object] = {}  # by id: templates that nothing is wrong with, and their parts

    def group(self, document: Document) -> None:
        """Check a document that declares a group: its name, and the names of its runs, are its own."""
        self._sound.clear()  # what the runs of one document share
        self._reported.clear()
        if not self._look_at_names:
            return
        data = document.data
        if not isinstance(data, dict) or data.get("kind") != "RunGroup":
            return
        metadata, spec = data.get("metadata"), data.get("spec")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str):
            return
        first = self._groups.setdefault(name, document)
        if first is not document:
            message = f"the group {_shown(name)} is already declared, at {_at(first, ('metadata',))}"
            hint = "rename one of the two, or put the runs into one group"
            self._note(document, ("metadata", "name"), Problem("duplicate-group", message, hint))
        runs = spec.get("runs") if isinstance(spec, dict) else None
        for index, run in enumerate(runs if isinstance(runs, list) else ()):
            if isinstance(run, dict) and isinstance(run.get("name"), str):
                self._address(document, index, f"{name}/{run['name']}")

    def settings(self, document: Document) -> None:
        """Check the settings of a group, in a document that fits its schema."""
        for path, problem in group_problems(cast("Mapping[str, Any]", document.data)):
            self._note(document, path, problem)

    def _address(self, document: Document, index: int, address: str) -> None:
        here = (document, index)
        first = self._names.setdefault(address, here)
        if first is not here:
            where = _at(first[0], ("spec", "runs", first[1]))
            problem = Problem(
                "duplicate-address", f"{_shown(address)} is already declared, at {where}", "rename one of the two"
            )
            self._note(document, ("spec", "runs", index, "name"), problem)

    def run(self, document: Document, index: int, run: DeclaredRun) -> None:
        """Check a run that a document declares at `spec.runs[index]`, as it came out of expansion."""
        own = _run_at(document, index - document.first_run)
        template, body = run.request
        is_generated = "forEach" in own or "matrix" in own
        self._generated = run if is_generated else None
        if is_generated and id(own) not in self._sound:
            self._sound[id(own)] = own  # what is wrong with a generator is reported once
            self._one_body(document, _path(index), own)
            self._same_name(document, own)
        elif "bodyText" in own or "bodyFile" in own:
            self._one_body(document, _path(index), own)
        if id(document) not in self._sound:
            self._sound[id(document)] = document  # its defaults are looked at once, with its first run
            self._one_body(document, ("spec", "defaults"), _defaults(document))
        if id(template) not in self._shared:
            self._template(document, index, own, template)
        self._body(document, index, own, body)
        if run.workflow_run_id is not None:
            for problem in self._own_ids.problems(run.workflow_run_id, run.address):
                self._note(document, (*_path(index), "workflowRunId"), problem)
        self._generated = None

    def _template(self, document: Document, index: int, own: Mapping[str, Any], template: Template) -> None:
        """What a run has in common with others: looked at once, unless something is wrong with it."""
        if len(self._shared) > _MOST_KEPT:
            self._shared.clear()
        before = self._noted
        self._destination(document, index, own, template.destination)
        if (own.get("headers") and self._generated is None) or id(template.headers) not in self._shared:
            self._headers(document, index, own, "headers", template.headers)
        if id(template.delivery) not in self._shared:
            self._delivery(document, index, own, template.delivery)
        self._content_type(document, index, own, template.content_type)
        if self._noted == before:
            self._shared[id(template)] = template

    def _same_name(self, document: Document, own: Mapping[str, Any]) -> None:
        """The name of a generator is its own too, though its runs' addresses go on with a key."""
        if self._look_at_names:
            return  # `group` has
        data = cast("Mapping[str, Any]", document.data)
        same = [n for n, run in enumerate(data["spec"]["runs"]) if run is not None and run["name"] == own["name"]]
        generated, self._generated = self._generated, None  # it is the manifest that is wrong, and no row
        for other in same[1:]:
            where, address = _at(document, _path(same[0])), f"{data['metadata']['name']}/{own['name']}"
            problem = Problem(
                "duplicate-address", f"{address} is already declared, at {where}", "rename one of the two"
            )
            self._note(document, (*_path(other), "name"), problem)
        self._generated = generated

    # --- what a run does -------------------------------------------------------------------------------------

    def _destination(self, document: Document, index: int, own: Mapping[str, Any], destination: Text) -> None:
        if destination == "":
            hint = "give spec.destination, or a destination in the run"
            self._note(document, _path(index), Problem("no-destination", "the run has no destination", hint))
            return
        found = self._url("destination", destination)
        if found:
            at = (*_path(index), "destination") if own.get("destination") is not None else ("spec", "destination")
            for problem, severity in found:
                self._note(document, at, problem, severity=severity)

    def _url(self, what: str, url: Text) -> tuple[tuple[Problem, Severity], ...]:
        key = (what, url)
        found = self._urls.get(key)
        if found is None:
            if len(self._urls) > _MOST_KEPT:
                self._urls.clear()
            problem = url_problem(what, url, insecure=self._insecure)
            found = () if problem is None else ((problem, Severity.ERROR),)
            if problem is None and (warnings := url_warnings(what, url, loopback=self._loopback)):
                found = tuple((warning, Severity.WARNING) for warning in warnings)
            self._urls[key] = found
        return found

    def _one_body(self, document: Document, path: FieldPath, fields: Mapping[str, Any]) -> None:
        given = [name for name in _BODIES if fields.get(name) is not None]
        if len(given) > 1:
            message = f"{' and '.join(given)} are given; a run has one body"
            self._note(document, (*path, given[1]), Problem("two-bodies", message, "keep one of them"), Part.KEY)

    def _headers(
        self, document: Document, index: int, own: Mapping[str, Any], field: str, effective: Mapping[str, Text]
    ) -> None:
        before = self._noted
        for path, given in (((*_path(index), field), own), (("spec", "defaults", field), _defaults(document))):
            for name, problem in header_problems(given.get(field) or {}, effective):
                self._note(document, (*path, name), problem, Part.KEY)
        if self._noted == before and (field not in own or self._generated is not None):
            self._shared[id(effective)] = effective

    def _content_type(self, document: Document, index: int, own: Mapping[str, Any], content_type: str | None) -> None:
        if content_type is None:
            return
        problem = header_value_problem("Content-Type", content_type)
        if problem is None and "/" not in content_type:
            message = f"contentType: {content_type!r} is not a media type"
            problem = Problem("bad-content-type", message, "for example application/json")
        if problem is not None:
            self._note(document, _origin(index, own, "contentType"), problem)

    def _body(self, document: Document, index: int, own: Mapping[str, Any], body: Body) -> None:
        if body.kind is BodyKind.NONE or id(body) in self._sound:
            return
        if not (document.has_extreme_numbers or self._extreme_variables):
            plain = body.plain()
            if plain is not None and len(plain) <= self._max_bytes:
                if own.keys().isdisjoint(_BODIES):
                    self._sound[id(body)] = body
                return
        field = {BodyKind.JSON: "body", BodyKind.TEXT: "bodyText"}.get(body.kind, "bodyFile")
        at = _origin(index, own, field)
        sound = True
        if body.kind is BodyKind.JSON and (document.has_extreme_numbers or self._extreme_variables):
            for path, problem in number_problems(body.value, at):
                sound = False
                self._note(document, path, problem)
        sent = body.plain() if sound else None  # the very bytes that are sent: identity is made of them too
        text = sent or (_encode(body.value) if body.kind is BodyKind.JSON else str(body.value))
        # UTF-8 takes at most four bytes a character: most bodies need no closer look.
        if len(text) * 4 > self._max_bytes and (size := _bytes_of(text)) > self._max_bytes:
            message = f"the body has {size:,} bytes; at most {self._max_bytes:,} are sent"
            hint = (
                "store the data elsewhere and send a reference, or raise server.maxMessageBytes if your plan allows it"
            )
            self._note(document, at, Problem("message-too-big", message, hint))
            sound = False
        if sound and own.keys().isdisjoint(_BODIES):
            self._sound[id(body)] = body

    # --- how it is delivered ---------------------------------------------------------------------------------

    def _delivery(self, document: Document, index: int, own: Mapping[str, Any], delivery: Delivery) -> None:
        before = self._noted
        for field, steps, problem in self._delivery_problems(own, delivery):
            self._note(document, (*_origin(index, own, field), *steps), problem)
        if delivery.failure_url is not None:
            for problem, severity in self._url("failureUrl", delivery.failure_url):
                self._note(document, _origin(index, own, "failureUrl"), problem, severity=severity)
        self._headers(document, index, own, "failureHeaders", delivery.failure_headers)
        if self._noted == before:
            self._shared[id(delivery)] = delivery

    def _delivery_problems(
        self, own: Mapping[str, Any], delivery: Delivery
    ) -> Iterator[tuple[str, FieldPath, Problem]]:
        if delivery.delay_s is not None and delivery.not_before_s is not None:
            field = "delay" if "delay" in own and "notBefore" not in own else "notBefore"
            other = "notBefore" if field == "delay" else "delay"
            hint = "keep one of them"
            if (field in own) is not (other in own):
                hint = f"the other one is in spec.defaults; clear it here with '{other}: null'"
            yield field, (), Problem("delay-and-not-before", "delay and notBefore can't be given both", hint)
        if delivery.retry_delay is not None and (problem := retry_delay_problem(delivery.retry_delay)) is not None:
            yield "retryDelay", (), problem
        if delivery.timeout_s == 0:
            yield "timeout", (), Problem("too-small", "timeout must be at least one second")
        for index, label in enumerate(delivery.labels):
            if (problem := label_problem("a label", label)) is not None:
                yield "labels", (index,), problem
        if delivery.flow_control is not None:
            for steps, problem in flow_control_problems(delivery.flow_control):
                yield "flowControl", steps, problem
        named = () if delivery.redact is None or delivery.redact.headers is True else delivery.redact.headers or ()
        for index, name in enumerate(named):
            if not is_header_name(name):
                message, hint = f"{name!r} is not a header name", "name headers as in spec.defaults.headers"
                yield "redact", ("headers", index), Problem("bad-header-name", message, hint)

    def _note(
        self,
        document: Document,
        path: FieldPath,
        problem: Problem,
        part: Part = Part.VALUE,
        *,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Report a problem once; a warning once for all that a text of the manifest makes, however many rows."""
        if severity is Severity.ERROR:
            self._noted += 1
            if self._generated is not None and varies(document, path):
                self._rows.note(document, path, problem, self._generated)
                return
        key = (id(document), path, problem.code, problem.message if severity is Severity.ERROR else "")
        if key in self._reported:
            return
        self._reported.add(key)
        self.findings.append(
            Finding(
                document=document,
                path=path,
                part=part,
                code=problem.code,
                message=problem.message,
                hint=problem.hint,
                address=subject(document, path),
                severity=severity,
            )
        )


def _bytes_of(text: str | bytes) -> int:
    return len(text.encode() if isinstance(text, str) else text)


def _run_at(document: Document, index: int) -> Mapping[str, Any]:
    data = cast("Mapping[str, Any]", document.data)
    return cast("Mapping[str, Any]", data["spec"]["runs"][index])


def _defaults(document: Document) -> Mapping[str, Any]:
    data = cast("Mapping[str, Any]", document.data)
    return cast("Mapping[str, Any]", data["spec"].get("defaults", {}))


def _shown(name: str) -> str:
    """A name that may not be one."""
    return name if name.isprintable() else repr(name)


def _path(index: int) -> FieldPath:
    return ("spec", "runs", index)


def _origin(index: int, own: Mapping[str, Any], field: str) -> FieldPath:
    """Where the effective value of a field comes from."""
    return (*_path(index), field) if field in own else ("spec", "defaults", field)


def _at(document: Document, path: FieldPath) -> str:
    """`file:line` of a mapping that was read; close enough to name the other place in a message."""
    node: Any = document.data
    for step in path:
        node = node[step]
    return f"{document.source.display}:{getattr(node, 'line', document.line)}"
