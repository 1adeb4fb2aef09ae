"""Groups whose runs have workflow run ids of their own, and what people do with such ids.

An edited run needs another id, so each edit gives one, together with another version of the body.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.proof.fleet.fleet import MINUTE, Care, Declared, Group

SWAPPED, GIVEN_UP, HANDED_OVER, CAME_BACK = "ids swapped", "id given up", "id handed over", "id is back"


class OwnIds:
    """Adds its groups to `groups`, and edits them. No id stands twice in the manifests at a time. `redeclared` is told
    of runs that are declared again as they were."""

    def __init__(self, groups: dict[str, Group], redeclared: Callable[[str, int], None]) -> None:
        self._redeclared = redeclared
        self._groups = {
            one.kind: one
            for one in (
                Group("named", "named", Care("resume", 1, 10 * MINUTE)),
                Group("lent", "lent", Care(replaces="cancel", on_remove="cancel")),
            )
        }
        self._ids: list[str] = []
        self._past: dict[str, list[Declared]] = {}
        for group in self._groups.values():
            for _ in range(3):
                self._add(group, self._new_id())
        groups |= self._groups

    def edit(self, luck: Random) -> str:
        """One commit; what it was."""
        group = luck.choice(tuple(self._groups.values()))
        who = luck.choice(sorted(group.runs)) if group.runs else None
        what = luck.choice(("add", "again", "change", "change", "swap", "swap", "hand", "hand", "up", "back", "remove"))
        if who is None or (what == "add" and len(group.runs) < 8):
            return f"add {self._add(group, self._free(luck))}"
        run = group.runs[who]
        match what:
            case "again" if group.former:
                return self._again(luck, group, luck.choice(sorted(group.former)))
            case "swap" if others := self._holders(but=who):
                if run.own_id is not None:
                    other = luck.choice(others)
                    mine, theirs = run.own_id, self._declared(other).own_id
                    self._edit(who, theirs)
                    self._edit(other, mine)
                    return f"{SWAPPED}: {who} and {other}"
            case "hand" if others := self._holders(but=who):
                return self._hand_over(luck, luck.choice(others), who)
            case "up" if run.own_id is not None:
                self._edit(who, None)
                return f"{GIVEN_UP}: that of {who}"
            case "back":
                before = [one for one in self._past[who] if one.own_id is None or self._is_free(one.own_id)]
                if before := [one for one in before if one.version != run.version]:
                    group.runs[who] = luck.choice(before)
                    return f"{CAME_BACK}: {group.runs[who]}"
            case "remove":
                group.former[who] = group.runs.pop(who)
                return f"remove {who}"
        self._edit(who, self._free(luck))
        return f"another id: {group.runs[who]}"

    def _hand_over(self, luck: Random, giver: str, taker: str) -> str:
        """The one takes the id of the other, which gets another one, none, or goes."""
        own_id = self._declared(giver).own_id
        match luck.choice(("other", "none", "removed")):
            case "other":
                self._edit(giver, self._free(luck))
            case "none":
                self._edit(giver, None)
            case "removed":
                group = self._group(giver)
                group.former[giver] = group.runs.pop(giver)
        self._edit(taker, own_id)
        return f"{HANDED_OVER}: {own_id}, from {giver} to {taker}"

    def _again(self, luck: Random, group: Group, who: str) -> str:
        """A run is declared again: as it was, or with another id where that one was given away."""
        run = group.runs[who] = group.former.pop(who)
        if run.own_id is None or sum(one.own_id == run.own_id for one in self._all()) == 1:
            self._redeclared(who, run.version)
        else:
            self._edit(who, self._free(luck))
        return f"declared again: {group.runs[who]}"

    def declare_anew(self, who: str) -> None:
        """Its run ended badly, or its id can't be kept: a new id triggers it again."""
        self._edit(who, self._new_id())

    # --- what there is -------------------------------------------------------------------------------------------

    def has(self, who: str) -> bool:
        return any(who in group.runs for group in self._groups.values())

    def had_before(self, who: str) -> bool:
        """Whether a run has an id that it had before, with another body."""
        if not self.has(who):
            return False
        now = self._declared(who)
        return any(one.own_id == now.own_id is not None for one in self._past[who] if one.version != now.version)

    def _all(self) -> list[Declared]:
        return [run for group in self._groups.values() for run in group.runs.values()]

    def _holders(self, *, but: str) -> list[str]:
        """Those that have an id of their own."""
        return sorted(one.who for one in self._all() if one.own_id is not None and one.who != but)

    def _group(self, who: str) -> Group:
        return self._groups[who.partition("-")[0]]

    def _declared(self, who: str) -> Declared:
        return self._group(who).runs[who]

    def _is_free(self, own_id: str) -> bool:
        return all(one.own_id != own_id for one in self._all())

    # --- edits ---------------------------------------------------------------------------------------------------

    def _add(self, group: Group, own_id: str) -> str:
        who = f"{group.kind}-{len(group.runs) + len(group.former)}"
        group.runs[who] = Declared(who, who, own_id=own_id)
        self._past[who] = [group.runs[who]]
        return who

    def _edit(self, who: str, own_id: str | None) -> None:
        """Another version, with another id."""
        past = self._past[who]
        past.append(Declared(who, who, past[-1].version + 1, own_id=own_id))
        self._group(who).runs[who] = past[-1]

    def _free(self, luck: Random) -> str:
        """An id that nobody has now, mostly one that somebody had."""
        free = [own_id for own_id in self._ids if self._is_free(own_id)]
        return luck.choice(free) if free and luck.random() < 0.7 else self._new_id()

    def _new_id(self) -> str:
        self._ids.append(f"id-{len(self._ids)}")
        return self._ids[-1]
