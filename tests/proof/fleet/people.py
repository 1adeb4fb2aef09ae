"""What the team does to its manifests, by chance."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.proof.fleet.fleet import Declared, Group, begin, row_name, tables
from tests.proof.fleet.once import Once
from tests.proof.fleet.own_ids import OwnIds
from wfdeploy.errors import WfdeployError

CRONS = {
    "hours": ("20 */6 * * *", "5 1,9,17 * * *", "20 */8 * * *"),
    "nightly": ("30 2 * * *", "0 2,14 * * *", "30 1 * * *"),
    "pulse": ("*/20 * * * *", "10,40 * * * *", "15 * * * *"),
}

CHANGEABLE = ("kept", "dropped", "ended", "tried", "again", "load", "report", "wave")
VANISHING = ("dropped", "ended", "pulse")


class Team:
    """`groups`: what is in the manifests now, by kind."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._count = 0
        self._renames = True
        self.groups: dict[str, Group] = begin()
        self._plain = tuple(self.groups)
        self._own_ids: OwnIds | None = None
        self.once: Once

    def edit(self) -> str:
        """One commit; what it was."""
        what = self._chance.choices(
            (
                self._change,
                self._add,
                self._remove,
                self._declare_again,
                self._rename_run,
                self._rename_group,
                self._reschedule,
                self._grow_wave,
                self._change_wave,
                self._vanish,
            ),
            (6, 3, 3, 3, 2, 1, 2, 2, 1, 1),
        )[0]
        return what()

    def _pick(self, *kinds: str) -> Group:
        return self.groups[self._chance.choice(kinds)]

    def _change(self) -> str:
        group = self._pick(*CHANGEABLE)
        who = self._chance.choice(sorted(group.runs))
        group.runs[who] = replace(group.runs[who], version=self._other_version(group.runs[who].version))
        return f"change {who}"

    def _other_version(self, version: int) -> int:
        """Mostly a new one, sometimes one that there was before."""
        return version - 1 if version > 1 and self._chance.random() < 0.3 else version + 1

    def _add(self, kind: str = "") -> str:
        group = self.groups[kind] if kind else self._pick(*self._plain)
        if len(group.runs) > 24:
            return "nothing"
        self._count += 1
        who = f"{group.kind}-n{self._count}"
        delay_s = 7200 if group.kind == "kept" and self._chance.random() < 0.3 else 0
        group.runs[who] = Declared(who, who, delay_s=delay_s)
        return f"add {who}"

    def _remove(self) -> str:
        group = self._pick(*self._plain)
        if len(group.runs) < 2:
            return "nothing"
        who = self._chance.choice(sorted(group.runs))
        group.former[who] = group.runs.pop(who)
        return f"remove {who}"

    def _declare_again(self) -> str:
        group = self._pick(*self._plain)
        if not group.former:
            return "nothing"
        who = self._chance.choice(sorted(group.former))
        group.runs[who] = group.former.pop(who)
        self.once.redeclared(who, group.runs[who].version)
        return f"declare {who} again"

    def share_out(self) -> None:
        """From now on the runs are shared out to shards, which know no order, no renames, and not how the instances of
        others do."""
        self._renames = False
        for group in self.groups.values():
            group.depends_on = group.steps = ()
            group.max_failures = None
            if group.timetable is not None:
                group.timetable = replace(group.timetable, skips=False)

    def _rename_run(self) -> str:
        if not self._renames:
            return "nothing"
        group = self._pick(*CHANGEABLE)
        who = self._chance.choice(sorted(group.runs))
        run = group.runs[who]
        self._count += 1
        name = f"{who}-m{self._count}"
        group.moved.append((f"{group.name}/{run.name}", f"{group.name}/{name}"))
        group.runs[who] = replace(run, name=name)
        return f"rename {group.name}/{run.name} to {name}"

    def _rename_group(self) -> str:
        if not self._renames:
            return "nothing"
        group = self._pick("kept", "tried", "again", "hours", "nightly", "wave")
        self._count += 1
        name = f"{group.kind}-m{self._count}"
        before = group.name
        group.moved.append((before, name))
        group.name = name
        return f"rename group {before} to {name}"

    def _reschedule(self) -> str:
        group = self._pick(*CRONS)
        assert group.timetable is not None
        group.timetable = replace(group.timetable, cron=self._chance.choice(CRONS[group.kind]))
        return f"schedule {group.name} at {group.timetable.cron}"

    def _grow_wave(self) -> str:
        count = self._chance.randint(1, 6)
        return ", ".join(self._add("wave") for _ in range(count))

    def _change_wave(self) -> str:
        """The template of all of them is mended."""
        group = self.groups["wave"]
        for who, run in group.runs.items():
            group.runs[who] = replace(run, version=run.version + 1)
        return "change all of wave"

    # --- data files ------------------------------------------------------------------------------------------

    def begin_tables(self) -> None:
        """From now on some groups are made of data files."""
        self.groups |= tables()

    def edit_table(self, luck: Random) -> str:
        """One edit of a data file; what it was."""
        group = self.groups[luck.choice(("rows", "lines"))]
        assert group.table is not None
        if not group.runs:
            return self.refill(group.kind)
        who = luck.choice(sorted(group.runs))
        match luck.choice(("change", "change", "add", "add", "remove", "again", "respell", "respell", "empty")):
            case "change":
                group.runs[who] = replace(group.runs[who], version=group.runs[who].version + 1)
                return f"change row {who}"
            case "add":
                number = len(group.runs) + len(group.former)
                added = f"{group.kind}-{number}"
                group.runs[added] = Declared(added, row_name(number))
                return f"add row {added}"
            case "remove":
                group.former[who] = group.runs.pop(who)
                return f"remove row {who}"
            case "again" if group.former:
                return self._back(group, luck.choice(sorted(group.former)))
            case "empty":
                group.former |= group.runs
                group.runs = {}
                return f"all rows of {group.kind} are gone"
        group.table.numbers = luck.choice(("{}", "{}.0", "{}e0", "{}.00"))
        return f"numbers of {group.kind} are written as {group.table.numbers}"

    def refill(self, kind: str) -> str:
        """The rows that were lost are there again."""
        group = self.groups[kind]
        return ", ".join(self._back(group, who) for who in sorted(group.former)) if not group.runs else "nothing"

    def _back(self, group: Group, who: str) -> str:
        group.runs[who] = group.former.pop(who)
        self.once.redeclared(who, group.runs[who].version)
        return f"row {who} is back"

    # --- ids of their own ------------------------------------------------------------------------------------

    def begin_own_ids(self) -> None:
        """From now on there are groups whose runs have ids of their own."""
        self._own_ids = OwnIds(self.groups, self.once.redeclared)

    def edit_ids(self, luck: Random) -> str:
        """One edit of such a group; what it was."""
        assert self._own_ids is not None
        return self._own_ids.edit(luck)

    def answers(self, error: WfdeployError) -> bool:
        """Apply refused the manifests: whether that was right, and is mended. Of an edited run that has an id which it
        had before, nothing may tell what it was when it had it."""
        whos = {(one.address or "").partition("/")[2] for one in getattr(error, "diagnostics", ())}
        if not whos or self._own_ids is None or not all(map(self._own_ids.had_before, whos)):
            return False
        for who in whos:
            self._own_ids.declare_anew(who)
        return True

    def declare_anew(self, group: Group, who: str, *, above: int) -> None:
        """As another version than the run that ended badly."""
        if self._own_ids is not None and self._own_ids.has(who):
            self._own_ids.declare_anew(who)
        else:
            run = group.runs[who]
            group.runs[who] = Declared(who, run.name, max(run.version, above) + 1)

    # --- at once ---------------------------------------------------------------------------------------------

    def change_half(self, kind: str) -> str:
        """An edit of many runs of a group at once."""
        group = self.groups[kind]
        for who in sorted(group.runs)[::2]:
            group.runs[who] = replace(group.runs[who], version=group.runs[who].version + 1)
        return f"change half of {kind}"

    def _vanish(self) -> str:
        group = self._pick(*VANISHING)
        group.is_present = not group.is_present
        if group.is_present:
            for who, run in group.runs.items():
                self.once.redeclared(who, run.version)
        return f"{'bring back' if group.is_present else 'take away'} {group.name}"
