"""Plans as samples, and what golden files are made of."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from tests.unit.render import samples
from wfdeploy.model.plan import Action, FieldChange, Plan
from wfdeploy.render.terminal import Tone

Golden = Callable[[Path, str], None]


def tagged(text: str, tone: Tone, /) -> str:
    """A style that can be read: what is coloured, and as what."""
    return f"<{tone.value}>{text}</>" if text else text


def unchanged() -> Plan:
    kept = tuple(samples.change(f"g/r{i}", Action.KEEP, "") for i in range(3))
    return replace(samples.plan_of((), keep=3), kept=kept)


SAMPLE_PLANS = {
    "every-action": samples.every_action(),
    "many": samples.many(),
    "crowded": samples.crowded(),
    "unchanged": unchanged(),
    "nothing": samples.plan_of(()),
    "unverified": replace(samples.plan_of([samples.change("g/r", Action.TRIGGER, "new", sends=True)]), verified=False),
}


def joined(chunks: Iterable[str]) -> str:
    return "".join(chunks)


CHANGES = st.lists(
    st.builds(
        lambda number, action, reason, new: samples.change(
            f"g/r{number:03}", action, reason, *([] if new is None else [FieldChange("body.n", 0, new)])
        ),
        st.integers(0, 200),
        st.sampled_from([Action.TRIGGER, Action.RETRIGGER]),
        st.sampled_from(["a", "b"]),
        st.none() | st.integers(1, 3),
    ),
    max_size=60,
    unique_by=lambda change: change.address,
).map(lambda changes: sorted(changes, key=lambda change: change.address))


TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


def is_safe(text: str) -> bool:
    return not any(c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")) for c in text)


def all_safe(chunks: Iterable[str]) -> bool:
    return is_safe("".join(chunks))
