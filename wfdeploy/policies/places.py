"""Where policies stand: found again in their files when there is something to report."""

from __future__ import annotations

from pathlib import Path

from wfdeploy.documents.positions import diagnose
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, Finding
from wfdeploy.model.policy import PolicyRule
from wfdeploy.project.document import project_document


def at_rule(rule: PolicyRule, *, cwd: Path, code: str, message: str, hint: str) -> Diagnostic:
    """A problem with a policy, at its expression."""
    finding = Finding(
        document=_document(rule, cwd),
        path=("spec", "policies", rule.index, "expression"),
        code=code,
        message=message,
        address=f"spec.policies[{rule.index}]",
        hint=hint,
    )
    (found,) = diagnose([finding])
    return found


def at_expression(rule: PolicyRule, *, cwd: Path, is_message: bool, line: int, column: int, message: str) -> Diagnostic:
    """A problem within an expression.

    line, column: from 1, in characters of the expression's value. Where the file doesn't hold that line as it is
    (folded, or with escapes), the expression's beginning is shown.
    """
    field = "messageExpression" if is_message else "expression"
    lines = ((rule.message_expression if is_message else rule.expression) or "").splitlines()
    text = lines[line - 1] if line <= len(lines) else ""
    finding = Finding(
        document=_document(rule, cwd),
        path=("spec", "policies", rule.index, field),
        code="bad-expression",
        message=message,
        address=f"spec.policies[{rule.index}].{field}",
        hint="the variables and functions are in docs/policies.md",
        needle=text or None,
        needle_offset=min(column, len(text) + 1) - 1,
    )
    (found,) = diagnose([finding])
    return found


def _document(rule: PolicyRule, cwd: Path) -> Document:
    return project_document(rule.file, cwd=cwd)
