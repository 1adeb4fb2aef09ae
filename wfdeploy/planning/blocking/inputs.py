"""All that a plan's changes are made from, once everything is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wfdeploy.model.plan import Selection
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.blocking.recurring import Recurrence
from wfdeploy.planning.diff.context import DiffContext
from wfdeploy.planning.targets import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the changes of one plan are made from."""

    baseline: Baseline
    selection: Selection
    targets: Targets
    context: DiffContext
    recurrences: Mapping[str, Recurrence]  # by recurring group
    keep_all: bool  # whether unchanged runs are wanted too
