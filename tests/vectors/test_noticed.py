"""That a small difference is noticed, and where: the tests of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.vectors import living
from tests.vectors.cases import SMALL, different
from wfdeploy.manifests.manifests import validate
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.remote import Item, TriggerReply
from wfdeploy.upstash.client import UpstashGateway

SOUND, WRONG = 2, 9


def differing(seed: int) -> str:
    """What differs from what was frozen, in words."""
    return different(seed, SMALL.frozen()[seed], SMALL.digests([seed])[seed])


def test_nothing_differs() -> None:
    assert (differing(SOUND), differing(WRONG)) == ("", "")


def test_another_order_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reversed(UpstashGateway):
        async def trigger(self, items: Sequence[Item]) -> TriggerReply:
            return await super().trigger(list(reversed(items)))

    monkeypatch.setattr(living, "UpstashGateway", Reversed)
    assert differing(SOUND).startswith(f"case {SOUND}: requests before")


def test_another_byte_in_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Changed(UpstashGateway):
        async def trigger(self, items: Sequence[Item]) -> TriggerReply:
            changed = [item._replace(encoded=item.encoded.replace(b"wfdeploy.", b"wfdeploi.")) for item in items]
            return await super().trigger(changed)

    monkeypatch.setattr(living, "UpstashGateway", Changed)
    assert "requests before" in differing(SOUND)


def test_another_column_of_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_further(*arguments: Any, **options: Any) -> tuple[Diagnostic, ...]:
        found = validate(*arguments, **options)
        return (*found[:-1], replace(found[-1], place=replace(found[-1].place, column=found[-1].place.column + 1)))

    monkeypatch.setattr(living, "validate", one_further)
    assert differing(WRONG) == f"case {WRONG}: diagnostics before"
