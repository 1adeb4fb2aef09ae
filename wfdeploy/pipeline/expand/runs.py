"""Groups into declared runs. What the runs of a group share is made once and held once."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, cast

from wfdeploy.model.address import Address
from wfdeploy.model.document import Document, Fields, Finding
from wfdeploy.model.request import Delivery, Request
from wfdeploy.model.run import DeclaredRun, Source
from wfdeploy.model.schedule import instant
from wfdeploy.pipeline.expand.alike import GatheringListed, Made, kind_of
from wfdeploy.pipeline.expand.defaults import layer, with_body
from wfdeploy.pipeline.expand.evaluation import Evaluation
from wfdeploy.pipeline.expand.expressions import Evaluator
from wfdeploy.pipeline.expand.groups import group_of
from wfdeploy.pipeline.expand.input_files import InputFiles


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

    Where there are findings, runs hold stand-ins for what they are about: good for further checks and nothing else. A
    run without a destination has an empty one.
    """
    made = _expand(document, evaluator, files, findings, wanted=wanted, at_s=at_s, together=False)
    return cast("Iterator[tuple[int, DeclaredRun]]", made)


def expand_together(
    document: Document, *, evaluator: Evaluator, files: InputFiles, findings: list[Finding]
) -> Iterator[Made]:
    """The same, but that runs which are alike come together, where they can be told to be at little cost."""
    return _expand(document, evaluator, files, findings, wanted=None, at_s=None, together=True)


def _expand(
    document: Document,
    evaluator: Evaluator,
    files: InputFiles,
    findings: list[Finding],
    *,
    wanted: Container[int] | None,
    at_s: int | None,
    together: bool,
) -> Iterator[Made]:
    data = cast("Mapping[str, Any]", document.data)
    spec = data["spec"]
    group = group_of(data)
    suffix = "" if at_s is None else f"@{instant(at_s)}"
    if group.schedule is not None:
        from wfdeploy.pipeline.expand.schedules import schedule_values

        evaluator = evaluator.at(schedule_values(group.schedule, at_s))
    evaluation = Evaluation(document, evaluator, findings)
    base = _base(spec, evaluation, files)
    plain = layer(base, {}, ("spec",), evaluation=evaluation, files=files, last=True)
    deliveries: dict[object, Delivery] = {}
    name_of_file = document.source.name
    gathering = GatheringListed(group, evaluation) if together and document.is_even and group.schedule is None else None
    ordinal = document.first_run  # a part of a document has no generators, and no nulls, before it
    for index, fields in enumerate(spec["runs"], document.first_run):
        if fields is None:
            continue
        line = fields.line if isinstance(fields, Fields) else document.line
        kind = None if gathering is None else kind_of(fields)
        if gathering is not None:
            model = None if kind is None else gathering.model_of(kind)
            if model is not None:
                source = Source(name_of_file, line, index)
                yield from gathering.add(fields["name"], ordinal, source, model, fields["body"])
                ordinal += 1
                continue
            yield from gathering.given()
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
            ordinal = yield from generate(entry, ordinal, wanted, together=together)
            continue
        ordinal += 1
        if wanted is not None and ordinal - 1 not in wanted:
            continue
        if fields.get("key") is not None:
            hint = "remove it, or say with forEach or matrix what it tells apart"
            evaluation.problem(("spec", "runs", index, "key"), "key-of-one", "a single run needs no key", hint)
        at = ("spec", "runs", index)
        before = evaluation.problems
        if len(fields) == 1:
            request = plain
        elif len(fields) == 2 and fields.get("body") is not None:
            request = with_body(base, fields["body"], at, evaluation)
        else:
            request = layer(base, fields, at, evaluation=evaluation, files=files, last=True, deliveries=deliveries)
        if gathering is not None and kind is not None and evaluation.problems == before:
            gathering.learn(kind, request)
        yield (
            ordinal - 1,
            DeclaredRun(
                address=Address(f"{group.name}/{fields['name']}{suffix}"),
                group=group,
                source=Source(name_of_file, line, index),
                request=request,
                workflow_run_id=fields.get("workflowRunId"),
            ),
        )
    if gathering is not None:
        yield from gathering.given()


def _base(spec: Mapping[str, Any], evaluation: Evaluation, files: InputFiles) -> Request:
    """What a group says of all its runs."""
    base = Request(destination="")
    base = layer(base, {"destination": spec.get("destination")}, ("spec",), evaluation=evaluation, files=files)
    return layer(base, spec.get("defaults", {}), ("spec", "defaults"), evaluation=evaluation, files=files)
