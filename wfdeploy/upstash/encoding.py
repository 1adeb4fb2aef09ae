"""What turns requests into items, imported when the first one is encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.ports import Encoder


def encoder(label: str, secrets: Mapping[str, str]) -> Encoder:
    """What encodes the runs of a project with this label: a `MakeEncoder`."""
    from wfdeploy.upstash.wire import ItemEncoder

    return ItemEncoder(label=label, secrets=secrets)
