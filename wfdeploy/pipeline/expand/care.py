"""`spec.policy`: what a group wants done about runs that end badly, or that are to be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfdeploy.model.policy import Care, FailureAction, OnCancelled, OnFailure, ReplaceRunning
from wfdeploy.pipeline.expand.durations import seconds

_PLAIN = OnFailure()


def care_of(policy: Mapping[str, Any]) -> Care:
    """Of a valid policy."""
    return Care(
        on_failure=_on_failure(policy.get("onFailure", FailureAction.REPORT.value)),
        on_cancelled=OnCancelled(policy.get("onCancelled", OnCancelled.REPORT.value)),
        replace_running=ReplaceRunning(policy.get("replaceRunning", ReplaceRunning.ALLOW.value)),
    )


def _on_failure(value: str | Mapping[str, Any]) -> OnFailure:
    """A bare word is the short form of a mapping with that action alone."""
    if isinstance(value, str):
        return OnFailure(FailureAction(value))
    return OnFailure(
        FailureAction(value["action"]),
        max_attempts=int(value.get("maxAttempts", _PLAIN.max_attempts)),
        backoff_s=seconds(value.get("backoff", _PLAIN.backoff_s)),
    )
