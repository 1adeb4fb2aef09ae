"""Rules across files: `dependsOn` of groups, and `moved` of the project file and of groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches

from wfdeploy.model.address import GROUP_NAME, group_of, split_address
from wfdeploy.model.blocking import Dependency
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.document import DeclaredMove, Finding
from wfdeploy.model.run import Group


def check_moves(
    moves: Sequence[DeclaredMove], addresses: Collection[str], groups: Collection[str], *, complete: bool
) -> Iterator[Finding]:
    """Yield what is wrong with moves.

    addresses, groups: the declared ones.
    complete: there are no others.
    """
    by_origin: dict[str, DeclaredMove] = {}
    by_target: dict[str, DeclaredMove] = {}
    for declared in moves:
        move = declared.move
        malformed = _form(declared)
        if malformed is not None:
            yield malformed
            continue
        if move.origin in by_origin:
            other = by_origin[move.origin].move.to
            yield _finding(declared, "from", "moved-twice", f"{move.origin} is moved to {other} already")
        elif move.to in by_target:
            other = by_target[move.to].move.origin
            yield _finding(declared, "to", "moved-onto", f"{other} is moved to {move.to} already")
        else:
            by_origin[move.origin], by_target[move.to] = declared, declared
    for origin, declared in by_origin.items():
        to = declared.move.to
        cycle = _cycle(origin, by_origin)
        if cycle:
            if origin == min(cycle):
                yield _finding(declared, "from", "moved-in-a-circle", f"{' -> '.join((*cycle, cycle[0]))} is a circle")
        elif origin in (addresses if "/" in origin else groups):
            hint = f"rename the {'run' if '/' in origin else 'group'}, or remove the move"
            yield _finding(declared, "from", "moved-still-declared", f"{origin} is still declared", hint=hint)
        elif complete and to not in by_origin and to not in (addresses if "/" in to else groups):
            message = f"{to} is not declared, so this move does nothing"
            yield _finding(declared, "to", "moved-nowhere", message, severity=Severity.WARNING)


def _form(declared: DeclaredMove) -> Finding | None:
    move = declared.move
    for field, text in (("from", move.origin), ("to", move.to)):
        if "/" not in text:
            valid = GROUP_NAME.fullmatch(text) is not None
        else:
            try:
                valid = bool(split_address(text)) and GROUP_NAME.fullmatch(group_of(text)) is not None
            except ValueError:
                valid = False
        if not valid:
            message = f"{text!r} is neither an address nor a group's name"
            return _finding(declared, field, "bad-address", message, hint="an address is group/name or group/name[key]")
    if ("/" in move.origin) is not ("/" in move.to):
        message = f"{move.origin} and {move.to} are not of one kind"
        return _finding(
            declared, "to", "moved-across", message, hint="move a run to a run, or a whole group to a group"
        )
    if move.origin == move.to:
        return _finding(declared, "to", "moved-onto-itself", f"{move.to} is moved onto itself", hint="remove the move")
    return None


def _cycle(start: str, by_origin: dict[str, DeclaredMove]) -> list[str]:
    """The circle that `start` is part of; empty when there is none."""
    trail = [start]
    current = by_origin[start].move.to
    while current in by_origin and current not in trail:
        trail.append(current)
        current = by_origin[current].move.to
    return trail if current == start else []


def _finding(
    declared: DeclaredMove,
    field: str,
    code: str,
    message: str,
    *,
    hint: str | None = None,
    severity: Severity = Severity.ERROR,
) -> Finding:
    return Finding(
        document=declared.document,
        path=(*declared.path, field),
        code=code,
        message=message,
        address="moved",
        hint=hint,
        severity=severity,
    )


def check_order(groups: Mapping[str, Group], file_of: Callable[[str], str], *, complete: bool) -> Iterator[Diagnostic]:
    """Yield what is wrong with the order of groups.

    file_of: the file that a group stands in, as the user typed it.
    complete: there are no other groups than these.
    """
    for name, group in groups.items():
        for dependency in group.depends_on:
            if complete and dependency.group not in groups:
                near = get_close_matches(dependency.group, groups, n=1)
                yield Diagnostic(
                    code="unknown-group",
                    message=f"{name} depends on the group {dependency.group}, which is not declared",
                    place=Place(file_of(name), dependency.line),
                    address=name,
                    hint=f"did you mean {near[0]!r}?" if near else "declare it, or remove the entry",
                )
    for cycle in _cycles(groups):
        trail = " -> ".join(f"{name} ({file_of(name)}:{dependency.line})" for name, dependency in cycle)
        first, dependency = cycle[0]
        yield Diagnostic(
            code="dependency-cycle",
            message=f"groups wait for one another in a circle: {trail} -> {first}",
            place=Place(file_of(first), dependency.line),
            address=first,
            hint="remove one of these entries of dependsOn",
        )


def _cycles(groups: Mapping[str, Group]) -> Iterator[list[tuple[str, Dependency]]]:
    """Circles, each once: (group, the dependency that leads on), beginning with the group that is declared first. A
    group that waits for itself is reported where it stands."""
    done: set[str] = set()
    for start in groups:
        # Depth first, without recursion: chains may be long.
        trail: list[tuple[str, Iterator[Dependency]]] = []
        path: dict[str, Dependency] = {}
        if start not in done:
            trail.append((start, iter(groups[start].depends_on)))
        while trail:
            name, left = trail[-1]
            dependency = next(left, None)
            if dependency is None:
                trail.pop()
                path.pop(name, None)
                done.add(name)
                continue
            following = dependency.group
            path[name] = dependency
            if following == name or following not in groups or following in done:
                continue
            if following in path:
                names = list(path)
                yield [(one, path[one]) for one in names[names.index(following) :]]
            else:
                trail.append((following, iter(groups[following].depends_on)))
