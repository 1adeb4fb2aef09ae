"""Damage never fails by itself."""

from __future__ import annotations

import random

from tests.fuzz.mutation import Damage


def test_damage_on_damage_never_ends_the_hunt_itself() -> None:
    for seed in range(60):
        damage = Damage(random.Random(seed))
        value = {"a": [{"b": 1}, {"c": [1, 2]}]}
        for _ in range(20):
            value = damage.value(value)
        damage.encoded(value)
