"""`dependsOn` across groups: names that aren't declared, and groups that wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches

from wfdeploy.model.blocking import Dependency
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.run import Group


def check(groups: Mapping[str, Group], file_of: Callable[[str], str], *, complete: bool) -> Iterator[Diagnostic]:
    """What is wrong with the order of groups. `file_of`: the file that a group stands in, as the user typed it.
    `complete`: there are no other groups than these."""
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
    group that waits for itself is told where it stands."""
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
