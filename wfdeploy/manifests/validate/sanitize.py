"""A manifest without the parts that its schema refuses: enough is left to check everything else.

Each refused part gives way to something that no rule objects to, so that one mistake is reported once. Where a missing
part might have been the answer to a rule (a misspelt `destination`), the rule is satisfied: to find a second mistake
one run later is better than to report one that isn't there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from wfdeploy.model.document import Document, FieldPath, Fields, Finding

_URL = "https://stand-in.invalid/"
_WORD = "x"  # a label, a key, a header's name or value
_SCHEDULE = {"cron": "0 0 * * *"}
_NOT_MANIFESTS = frozenset(("not-a-manifest", "wrong-kind"))
_HARMLESS = frozenset(("missing-field", "repeated", "unknown-field"))
"""Codes of findings whose value may stay, or that have none."""


def sanitize(document: Document, findings: Iterable[Finding]) -> Document | None:
    """A manifest without what the schema's findings point at; None when it is no manifest at all.

    The document given is not changed. Paths stay what they are: a run or a move that is gone is None. Names stay as
    they are written, as long as they are text.
    """
    findings = list(findings)
    if not isinstance(document.data, dict) or any(finding.code in _NOT_MANIFESTS for finding in findings):
        return None
    copy = _Copy(document.data)
    for finding in findings:
        if finding.code not in _HARMLESS:
            _refuse(copy, finding.path)
    _complete(copy)
    for finding in findings:
        if finding.code == "unknown-field":
            _doubt(copy, finding.path[:-1])
        _complete_part(copy, finding.path)
    return replace(document, data=copy.data)


class _Copy:
    """A document's data of which only what is changed is copied: it may be large, and aliases share parts of it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data: Any = _shallow(data)
        self._own: set[FieldPath] = {()}

    def at(self, path: FieldPath) -> Any:
        """The node at a path; None when there is none (any more)."""
        node = self.data
        for step in path:
            if isinstance(node, dict):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node

    def put(self, path: FieldPath, value: Any) -> None:
        """Another value at a path, where its holder is (still) there."""
        if not isinstance(self.at(path[:-1]), dict | list):
            return
        node = self.data
        for length, step in enumerate(path[:-1], start=1):
            if path[:length] not in self._own:
                node[step] = _shallow(node[step])
                self._own.add(path[:length])
            node = node[step]
        node[path[-1]] = value
        self._own.discard(path)


def _shallow(node: Any) -> Any:
    if isinstance(node, Fields):
        copy = Fields(node)
        copy.line = node.line
        return copy
    return node.copy()


def _refuse(copy: _Copy, path: FieldPath) -> None:
    """Put something harmless where a bad value stands."""
    match path:
        case (_,) | ("metadata", *_):  # seen to by `_complete`
            pass
        case ("spec", "runs", int(index), "forEach" | "matrix" | "key", *_):  # who knows which runs it would make
            copy.put(("spec", "runs", index), None)
        case ("spec", "policy" | "identity" as field, *_):
            copy.put(("spec", field), {})
        case ("spec", "schedule", *_):  # who knows when its runs would be due
            copy.put(("spec", "schedule"), dict(_SCHEDULE))
        case ("spec", "history" | "rollout" as field, *_):
            copy.put(("spec", field), None)
        case ("spec", "dependsOn", *_):
            copy.put(("spec", "dependsOn"), [])
        case ("spec", "runs" | "moved" as field, int(index)) | ("spec", "moved" as field, int(index), *_):
            copy.put(("spec", field, index), None)
        case (*_, "headers" | "failureHeaders", str()):
            copy.put(path, None)
        case (*_, int()):
            copy.put(path, _WORD)
        case ("spec", "destination") | ("spec", "runs", _, "destination"):
            copy.put(path, _URL)
        case ("spec", "runs", _, "name") if isinstance(copy.at(path), str):
            pass
        case _:
            copy.put(path, None)


def _complete(copy: _Copy) -> None:
    """See to it that everything is there which later stages count on."""
    copy.put(("apiVersion",), "wfdeploy/v1")
    copy.put(("kind",), "RunGroup")
    metadata = copy.at(("metadata",))
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        copy.put(("metadata",), {"name": ""})
    if not isinstance(copy.at(("spec",)), dict):
        copy.put(("spec",), {"destination": _URL})
    for field, kind, empty in (("runs", list, []), ("moved", list, []), ("defaults", dict, {})):
        if not isinstance(copy.at(("spec", field)), kind):
            copy.put(("spec", field), empty)


def _doubt(copy: _Copy, holder: FieldPath) -> None:
    """Satisfy the rules about what may be missing: a field that isn't known was meant as another, perhaps that one."""
    match holder:
        case ("spec",) | ("spec", "defaults"):
            if copy.at(("spec", "destination")) is None:
                copy.put(("spec", "destination"), _URL)
        case ("spec", "runs", int(index), "forEach", *_):  # where its rows are may be what was misspelt
            copy.put(("spec", "runs", index), None)
        case ("spec", "runs", _):
            fields = copy.at(holder) or {}
            if fields.get("destination") is None and copy.at(("spec", "destination")) is None:
                copy.put((*holder, "destination"), _URL)
            for name in {"delay", "notBefore"} - fields.keys():  # it was to clear the default
                copy.put((*holder, name), None)
        case _:
            pass


def _complete_part(copy: _Copy, path: FieldPath) -> None:
    """Complete the run, the move or the flow control that a finding is about, as `_complete` does the document."""
    match path:
        case ("spec", "runs", int(index), *_):
            run = copy.at(path[:3])
            if isinstance(run, dict) and not isinstance(run.get("name"), str):
                copy.put((*path[:3], "name"), f"#{index + 1}")  # as runs without a name are called in findings
            if isinstance(run, dict) and not run.keys().isdisjoint(("forEach", "matrix")):
                if "key" not in run:
                    copy.put(path[:3], None)
            elif isinstance(run, dict) and "key" in run:
                copy.put((*path[:3], "key"), None)  # what it belongs to may be what is wrong
        case ("spec", "moved", int(), *_):
            move = copy.at(path[:3])
            if isinstance(move, dict) and not move.keys() >= {"from", "to"}:
                copy.put(path[:3], None)
        case ("spec", "schedule" | "history" | "rollout" | "dependsOn", *_) | ("spec", "policy", "onFailure", *_):
            _refuse(copy, path)
        case _:
            pass
    if "flowControl" in path:
        at = path[: path.index("flowControl") + 1]
        flow = copy.at(at)
        if isinstance(flow, dict):
            copy.put((*at, "key"), flow.get("key") or _WORD)
            copy.put((*at, "rate"), flow.get("rate") or 1)
