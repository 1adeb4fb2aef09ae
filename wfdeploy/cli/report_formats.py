"""The formats of reports, and which command has which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum


class ReportFormat(Enum):
    MARKDOWN = "markdown"
    JSON = "json"
    GITLAB = "gitlab"
    SARIF = "sarif"
    JUNIT = "junit"


AVAILABLE: Mapping[str, Sequence[ReportFormat]] = {
    "plan": (ReportFormat.MARKDOWN, ReportFormat.JSON),
    "apply": (ReportFormat.MARKDOWN, ReportFormat.JSON, ReportFormat.JUNIT),
    "status": (ReportFormat.MARKDOWN, ReportFormat.JSON),
    "validate": (ReportFormat.GITLAB, ReportFormat.SARIF, ReportFormat.JUNIT),
    "wait": (ReportFormat.JUNIT,),
}
"""Which command has which formats."""
