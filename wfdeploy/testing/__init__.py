"""For the tests of people who write workflows: an embedded server whose time the test moves.

The pytest plugin (`wfdeploy.testing.plugin`, found by its entry point) gives tests the fixture `workflow_server`;
without pytest, `WorkflowServer` is a context manager. Needs the extra `local`.

Everything is imported when it is first used: pytest loads this package in every project where wfdeploy is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfdeploy.testing.runs import NothingLeft, Run, Step
    from wfdeploy.testing.server import Stub, WorkflowServer

__all__ = ["NothingLeft", "Run", "Step", "Stub", "WorkflowServer"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module in ("runs", "server"):
        found = import_module(f"wfdeploy.testing.{module}")
        if name in __all__ and hasattr(found, name):
            return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
