"""The groups and what they wait for: as a tree for people, as Mermaid and DOT for what draws them, as JSON.

All arrows point from a group to those that wait for it, in the order in which they start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.errors import several
from wfdeploy.model.run import DesiredGroup, Group
from wfdeploy.render.encode import dump
from wfdeploy.render.terminal import Style, Tone, plain, printable

Groups = Mapping[str, DesiredGroup]

_CONDITIONS = {"triggered": "was triggered", "succeeded": "has succeeded", "finished": "has finished"}


def text(groups: Groups, style: Style = plain) -> Iterator[str]:
    """A tree from the groups that wait for nothing to those that wait for them.

    What waits for several groups stands under each, with what comes after it under the first.
    """
    if not groups:
        yield "No groups.\n"
        return
    waiting = _waiting(groups)
    names = sorted({*groups, *waiting})
    shown: set[str] = set()
    first = [name for name in names if name not in groups or not groups[name].group.depends_on]
    for root in (*first, *names):  # a circle has no first; manifests with one are refused
        if root not in shown:
            yield from _tree(root, groups, waiting, shown, style)


def _tree(
    root: str, groups: Groups, waiting: Mapping[str, Sequence[tuple[str, str]]], shown: set[str], style: Style
) -> Iterator[str]:
    # Not recursive: a chain of groups may be longer than Python's stack.
    stack = [(root, "", "", "")]
    while stack:
        name, reason, stem, below = stack.pop()
        is_repeated = name in shown
        shown.add(name)
        parts = [style(printable(name), Tone.STRONG)]
        followers = waiting.get(name, ())
        if not is_repeated:
            parts += _facts(groups, name)
        if reason:
            parts.append(reason)
        if is_repeated and followers:
            parts.append(style("(see above)", Tone.FAINT))
        yield f"{stem}{'  '.join(parts)}\n"
        if not is_repeated:
            for index, (follower, how) in reversed(list(enumerate(followers))):
                is_last = index == len(followers) - 1
                branch, rest = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
                reason = f"when {printable(name)} {_CONDITIONS[how]}"
                stack.append((follower, reason, below + branch, below + rest))


def _facts(groups: Groups, name: str) -> Iterator[str]:
    if name not in groups:
        yield "not declared in these files"
        return
    declared = groups[name]
    yield _count(declared)
    group = declared.group
    if group.schedule is not None:
        yield f"schedule {printable(group.schedule.cron)}"
    if group.rollout is not None:
        yield f"rollout {_steps(group)}"


def mermaid(groups: Groups) -> Iterator[str]:
    """A flow chart in the language of Mermaid, which GitHub and GitLab draw in Markdown."""
    yield "flowchart LR\n"
    ids = _ids(groups)
    for name, id_ in ids.items():
        label = "<br/>".join(_mermaid(line) for line in (name, *_facts(groups, name)))
        yield f'  {id_}["{label}"]\n'
    for origin, name, condition in _edges(groups):
        yield f"  {ids[origin]} -->|{condition}| {ids[name]}\n"


def dot(groups: Groups) -> Iterator[str]:
    """A directed graph in the language of Graphviz."""
    yield "digraph wfdeploy {\n  rankdir=LR;\n  node [shape=box];\n"
    ids = _ids(groups)
    for name in ids:
        label = "\\n".join(_dot(line) for line in (name, *_facts(groups, name)))
        yield f'  "{_dot(name)}" [label="{label}"];\n'
    for origin, name, condition in _edges(groups):
        yield f'  "{_dot(origin)}" -> "{_dot(name)}" [label="{condition}"];\n'
    yield "}\n"


def json_text(groups: Groups) -> str:
    """`{"formatVersion":1,"groups":[…]}`, by name."""
    return dump({"formatVersion": 1, "groups": [_fields(groups[name]) for name in sorted(groups)]}) + "\n"


def _fields(declared: DesiredGroup) -> dict[str, object]:
    group = declared.group
    return {
        "group": group.name,
        "runs": declared.tally.count,
        "dependsOn": [{"group": each.group, "condition": each.condition.value} for each in group.depends_on],
        "schedule": None if group.schedule is None else group.schedule.cron,
        "rollout": None if group.rollout is None else [str(step.amount) for step in group.rollout.steps],
    }


def _count(declared: DesiredGroup) -> str:
    return several(declared.tally.count)


def _steps(group: Group) -> str:
    assert group.rollout is not None
    return ", ".join([*(str(step.amount) for step in group.rollout.steps), "all"])


def _waiting(groups: Groups) -> Mapping[str, Sequence[tuple[str, str]]]:
    """The groups that wait for each, with what they wait for it to be."""
    waiting: dict[str, list[tuple[str, str]]] = {}
    for origin, name, condition in _edges(groups):
        waiting.setdefault(origin, []).append((name, condition))
    return waiting


def _edges(groups: Groups) -> Iterator[tuple[str, str, str]]:
    """A group, one that waits for it, and the condition; by the names of those that wait."""
    for name in sorted(groups):
        for dependency in groups[name].group.depends_on:
            yield dependency.group, name, dependency.condition.value


def _ids(groups: Groups) -> Mapping[str, str]:
    """Names for Mermaid, to which some words are its own."""
    names = {*groups, *(origin for origin, _, _ in _edges(groups))}
    return {name: f"g{index}" for index, name in enumerate(sorted(names), 1)}


def _mermaid(text: str) -> str:
    """Text within quotes, where `#` begins an entity and angle brackets a tag."""
    return "".join(sign if sign.isalnum() or sign in " -_.,:%/*" else f"#{ord(sign)};" for sign in printable(text))


def _dot(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
