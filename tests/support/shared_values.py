"""Values that tests share: none of them may be changed, or tests would pass or fail by their order."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

_HOLDERS = (list, dict, set, bytearray, tuple)
_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def copied(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw deep copies. `sampled_from` and `just` give out the very values that they hold, for a test to change."""
    return values.map(copy.deepcopy)


def snapshot(module: ModuleType) -> dict[str, str]:
    """Describe the module's mutable values, by name; equal as long as nobody changed one of them."""
    return {
        name: repr(value)
        for name, value in vars(module).items()
        if isinstance(value, _HOLDERS) and not name.startswith(("__", "@", "pytest"))
    }


def shared_literals(source: str) -> Iterator[int]:
    """Find the lines on which a strategy gives out a mutable value that it holds, other than through `copied`."""
    tree = ast.parse(source)
    safe: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "copied":
            safe.update(ast.walk(node))
    for node in ast.walk(tree):
        if node not in safe and isinstance(node, ast.Call) and _holds_mutable(node):
            yield node.lineno


def _holds_mutable(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or not call.args:
        return False
    match call.func.attr, call.args[0]:
        case "just", value:
            held: list[ast.expr] = [value]
        case "sampled_from", ast.List(elts=values) | ast.Tuple(elts=values):
            held = values
        case _:
            return False
    return any(isinstance(part, _DISPLAYS) for value in held for part in ast.walk(value))
