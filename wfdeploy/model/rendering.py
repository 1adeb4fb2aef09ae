"""What `render` shows of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wfdeploy.model.address import Address
from wfdeploy.model.run import Source


@dataclass(frozen=True, slots=True)
class Rendered:
    """A run and its effective request: `fields` by the names they have in manifests, secrets as references, redacted
    values left out."""

    address: Address
    source: Source
    fingerprint: str
    workflow_run_id: str | None
    fields: Mapping[str, Any]
