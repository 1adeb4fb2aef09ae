"""Policies: rules for what is declared and sent, as expressions in CEL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from wfdeploy.model.diagnostic import Severity


class PolicyScope(Enum):
    """What an expression is evaluated for."""

    RUN = "run"
    GROUP = "group"
    CHANGE = "change"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One policy.

    expression: gives true for what is allowed.
    message_expression: gives the message; None, or where it gives none: `message`.
    file, index: where it stands: the n-th (from 0) in this file's `spec.policies`.
    """

    name: str
    scope: PolicyScope
    expression: str
    message: str
    message_expression: str | None = None
    severity: Severity = Severity.ERROR
    hint: str | None = None
    file: Path
    index: int


def rules_of(spec: Mapping[str, Any], file: Path) -> tuple[PolicyRule, ...]:
    """The policies of a valid document's `spec`."""
    return tuple(
        PolicyRule(
            name=one["name"],
            scope=PolicyScope(one.get("scope", "run")),
            expression=one["expression"],
            message=one["message"],
            message_expression=one.get("messageExpression"),
            severity=Severity(one.get("severity", "error")),
            hint=one.get("hint"),
            file=file,
            index=index,
        )
        for index, one in enumerate(spec.get("policies", ()))
    )
