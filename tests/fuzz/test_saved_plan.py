"""A saved plan: refused, or it says what it said."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import Damage
from tests.fuzz.sound import check_error
from tests.unit.render import samples
from wfdeploy.errors import StalePlan, UsageError, WfdeployError
from wfdeploy.model.plan import Refresh, Selection
from wfdeploy.planning.saved_plan import is_plan_file, plan_file_text, read_plan, save_plan

PLAN = samples.plan_of([])
SELECTION = Selection(
    targets=("g/*",), replace=("g/a",), limit=3, prune=True, variables={"a": "b"}, refresh=Refresh.AUTO
)
PIECES: list[Any] = ["Plan", "auto", "g/b", ["g/b"], {"c": "d"}, True, False, "3", 3.0, 1, PLAN.url, PLAN.lineage]


def test_a_saved_plan_is_refused_or_means_what_it_says(tmp_path: Path) -> None:
    sound = plan_file_text(PLAN, paths=["manifests"], selection=SELECTION, new_state=False).encode()
    value = json.loads(sound) | {"verified": True}
    file = tmp_path / "a.plan"

    def example(rng: random.Random, done: Hunt) -> None:
        damage = Damage(rng)
        chance = rng.random()
        if chance < 0.05:
            data = rng.choice((b"", b'{"kind": "Plan", "a": ')) + damage.nested()
        elif chance < 0.3:
            data = damage.octets(json.dumps(value).encode(), [sound])
        else:
            data = damage.encoded(damage.value(value, PIECES))
        file.write_bytes(data)
        done.input = data
        is_plan = is_plan_file(file)
        try:
            saved = read_plan(file)
        except (StalePlan, UsageError) as error:
            check_error(error)
            done.note("refused")
        else:
            done.note("read")
            assert is_plan
            content = json.loads(data)
            selection, own = saved.selection, content["selection"]
            for given, shown in (
                (selection.targets, own["targets"]), (selection.replace, own["replace"]),
                (saved.paths or (), content["paths"] or []),
            ):  # fmt: skip
                assert list(given) == shown
                assert all(type(one) is str for one in given)
            assert selection.limit is None or (type(selection.limit) is int and selection.limit == own["limit"])
            assert type(selection.prune) is bool
            assert all(type(one) is str for pair in selection.variables.items() for one in pair)
            assert (saved.lineage, saved.serial) == (content["state"]["lineage"], content["state"]["serial"])
            assert type(saved.new_state) is bool
            try:
                saved.check(PLAN)
            except StalePlan as error:
                check_error(error)
            else:
                # What would be carried out is what the sample says; all else that stands there is passed over.
                target = {name: content["target"][name] for name in ("project", "environment", "url")}
                assert target == value["target"]
                assert (content["manifests"], content["changes"]) == (value["manifests"], value["changes"])
                assert saved.new_state or (saved.lineage, saved.serial) == (PLAN.lineage, PLAN.serial)
                done.note("holds")
        try:
            save_plan("{}", file)
        except WfdeployError as error:
            check_error(error)
            assert file.read_bytes() == data
        else:
            assert is_plan or not data

    done = hunt("saved plans", 1000, example, allowed=tmp_path)
    assert min(done.outcomes["read"], done.outcomes["refused"]) > 50 or done.examples < 900
