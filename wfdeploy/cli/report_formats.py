"""The formats of reports, and which command has which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum


class ReportFormat(Enum):
    MARKDOWN = "markdown"


AVAILABLE: Mapping[str, Sequence[ReportFormat]] = {
    "plan": (ReportFormat.MARKDOWN,),
    "apply": (ReportFormat.MARKDOWN,),
    "status": (ReportFormat.MARKDOWN,),
}
"""Which command has which formats."""
