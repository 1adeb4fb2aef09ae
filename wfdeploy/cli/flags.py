"""What the command line says about where to work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.project import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFlags:
    """Which project, environment, server and state the command line asks for; None where it says nothing."""

    environment: str | None = None
    project_file: str | None = None
    state: str | None = None
    url: str | None = None
    token_file: str | None = None
    local: bool = False
    env_file: str | None = None
    shard: Shard | None = None
    allow: tuple[str, ...] = ()
