"""Groups into declared runs. What runs share is a template, which is made once (`model/request.py`)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, cast

from wfdeploy.model.address import Address
from wfdeploy.model.document import Document, Fields, Finding
from wfdeploy.model.request import NO_BODY, Request, Template
from wfdeploy.model.run import DeclaredRun, Source
from wfdeploy.model.schedule import instant
from wfdeploy.pipeline.expand.defaults import BODY_FIELDS, body_of, default_content_type, layer, with_content_type
from wfdeploy.pipeline.expand.evaluation import Evaluation
from wfdeploy.pipeline.expand.expressions import Evaluator
from wfdeploy.pipeline.expand.groups import group_of
from wfdeploy.pipeline.expand.input_files import InputFiles

MOST_TEMPLATES = 1000
"""Templates that are remembered of a group."""

_OWN = frozenset(("name", "key", "workflowRunId", *BODY_FIELDS))
"""What a listed run has for itself."""


def expand(
    document: Document,
    *,
    evaluator: Evaluator,
    files: InputFiles,
    findings: list[Finding],
    wanted: Container[int] | None = None,
    at_s: int | None = None,
) -> Iterator[tuple[int, DeclaredRun]]:
    """The runs that a valid RunGroup manifest declares, each with its ordinal, in order; None is passed over.

    An ordinal counts what the document declares, rows of data one by one and bad ones too, from 0: the same content has
    the same ordinals. With `wanted`, runs with other ordinals are read past as cheaply as can be. Nothing is held: the
    same again is had by calling this again. `at_s` (Unix seconds): of a recurring group, the instances at that time.

    Runs that say the same but for their bodies have one template, the very same object, most of the time. Where there
    are findings, runs hold stand-ins for what they are about: good for further checks and nothing else. A run without a
    destination has an empty one.
    """
    data = cast("Mapping[str, Any]", document.data)
    spec = data["spec"]
    group = group_of(data)
    suffix = "" if at_s is None else f"@{instant(at_s)}"
    if group.schedule is not None:
        from wfdeploy.pipeline.expand.schedules import schedule_values

        evaluator = evaluator.at(schedule_values(group.schedule, at_s))
    evaluation = Evaluation(document, evaluator, findings)
    base = _base(spec, evaluation, files)
    templates = _Templates(base.template, evaluation)
    name_of_file = document.source.name
    ordinal = document.first_run  # a piece of a document has no generators before it
    for index, fields in enumerate(spec["runs"], document.first_run):
        if fields is None:
            continue
        line = fields.line if isinstance(fields, Fields) else document.line
        if "forEach" in fields or "matrix" in fields:
            from wfdeploy.pipeline.expand.generators import Entry, generate

            entry = Entry(
                document=document,
                index=index,
                fields=fields,
                line=line,
                group=group,
                base=base,
                evaluation=evaluation,
                files=files,
                findings=findings,
                suffix=suffix,
            )
            ordinal = yield from generate(entry, ordinal, wanted)
            continue
        ordinal += 1
        if wanted is not None and ordinal - 1 not in wanted:
            continue
        if fields.get("key") is not None:
            hint = "remove it, or say with forEach or matrix what it tells apart"
            evaluation.problem(("spec", "runs", index, "key"), "key-of-one", "a single run needs no key", hint)
        body = body_of(fields, ("spec", "runs", index), evaluation, files)
        if body is None:
            body = base.body
        yield (
            ordinal - 1,
            DeclaredRun(
                Address(f"{group.name}/{fields['name']}{suffix}"),
                group,
                Source(name_of_file, line, index),
                Request(templates.of(fields, index, default_content_type(body)), body),
                fields.get("workflowRunId"),
            ),
        )


class _Templates:
    """The templates of the listed runs of one group. What a run says beside its body is looked at once."""

    def __init__(self, base: Template, evaluation: Evaluation) -> None:
        self._base = base
        self._evaluation = evaluation
        self._known: dict[tuple[str, str | None], Template] = {}

    def of(self, fields: Mapping[str, Any], index: int, content_type: str | None) -> Template:
        """The template of a run. `content_type`: what its body is without a word of the author about it."""
        shared = [item for item in fields.items() if item[0] not in _OWN]
        key = (repr(shared) if shared else "", content_type)
        template = self._known.get(key)
        if template is None:
            evaluation = self._evaluation
            before = evaluation.problems
            template = layer(self._base, fields, ("spec", "runs", index), evaluation)
            template = with_content_type(template, content_type)
            if evaluation.problems == before:  # what is wrong is told wherever it stands
                if len(self._known) >= MOST_TEMPLATES:
                    self._known.clear()
                self._known[key] = template
        return template


def _base(spec: Mapping[str, Any], evaluation: Evaluation, files: InputFiles) -> Request:
    """What a group says of all its runs."""
    path = ("spec", "defaults")
    defaults = {name: value for name, value in spec.get("defaults", {}).items() if name != "destination"}
    template = layer(Template(), {"destination": spec.get("destination")}, ("spec",), evaluation)
    template = layer(template, defaults, path, evaluation)
    return Request(template, body_of(defaults, path, evaluation, files) or NO_BODY)
