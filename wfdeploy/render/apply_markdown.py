"""The report of an apply as Markdown for a pull request: the counts, what didn't go well, and what was planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from wfdeploy.model.event import ApplyReport
from wfdeploy.render.markdown import MOST_LISTED, approvals, code, fenced, item, section, some
from wfdeploy.render.plan_text import drift
from wfdeploy.render.report import EXPLANATIONS, counts
from wfdeploy.render.terminal import plain
from wfdeploy.render.vocabulary import counted


def text(report: ApplyReport, *, project: str, environment: str, planned: Sequence[str] = ()) -> Iterator[str]:
    """The lines of the report. `planned`: those of the changes, from `plan_markdown.changes`; there are none where
    there was nothing to do."""
    head, _, took = counts(report).rpartition(" Took ")
    watched = [] if report.watched is None else ["", f"Runs: {counted(report.watched, plain) or 'none to follow'}."]
    lines = [
        f"### Apply of {code(project)}, environment {code(environment)}",
        "",
        f"**{(head or took).removeprefix('Apply: ')}**{f' Took {took}' if head else ''}",
        *watched,
        *section("To decide", list(_decisions(report))),
        *section("Problems", list(_problems(report))),
        *section("Warnings", list(_warnings(report))),
        *planned,
    ]
    for line in lines:
        yield f"{line}\n"


def _decisions(report: ApplyReport) -> Iterator[str]:
    yield from approvals(report.approvals)


def _problems(report: ApplyReport) -> Iterator[str]:
    if report.stopped is not None:
        yield "- Stopped before all was done:"
        yield from item(fenced([report.stopped, *([report.hint] if report.hint else [])], "text"))
    for outcome, explanation in EXPLANATIONS.items():
        if not (count := report.summary.get(outcome, 0)):
            continue
        results = islice((result for result in report.results if result.outcome is outcome), MOST_LISTED)
        shown = [f"{result.address}: {result.error or result.workflow_run_id}".removesuffix(": ") for result in results]
        yield f"- {explanation}"
        yield from item(fenced([*shown, *([f"and {count - len(shown):,} more"] if count > len(shown) else [])], "text"))
    if report.unsettled is not None:
        yield "- Not everything has settled:"
        yield from item(fenced([report.unsettled], "text"))


def _warnings(report: ApplyReport) -> Iterator[str]:
    yield from fenced(some(report.warnings), "text")
    if report.warnings:
        yield ""
    if report.drifted:
        yield f"- {drift(report.drifted, report.handled)}"
