"""Workflow run ids that authors give: unique, and of another form than derived ones."""

from __future__ import annotations

from collections.abc import Iterator

from wfdeploy.model.workflow_id import id_key, parse_run_id
from wfdeploy.pipeline.validate.problem import Problem


class OwnIds:
    """The ids that were given so far, each with the address that has it."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def problems(self, text: str, address: str) -> Iterator[Problem]:
        """What is wrong with the id of a run."""
        owner = self._owners.setdefault(id_key(text), address)
        if owner != address:
            message = f"the workflow run id {text} is that of {owner if owner.isprintable() else repr(owner)} already"
            yield Problem("duplicate-run-id", message, "ids are unique")
        if parse_run_id(text) is not None:
            message = f"the workflow run id {text} has the form of those that wfdeploy derives"
            yield Problem("derived-run-id", message, "leave workflowRunId out, or choose an id of another form")
