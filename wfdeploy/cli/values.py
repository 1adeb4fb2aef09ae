"""What options accept beyond click's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wfdeploy.model.project import Shard


class Amount(click.FloatRange):
    """A number within bounds; unlike click's own, not "nan", which is within any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).strip().lower().lstrip("+-") == "nan":
            self.fail("it is not a number.", param, ctx)
        return super().convert(value, param, ctx)


def shard(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Shard | None:
    """`I/N`, for an option's `callback`."""
    if value is None:
        return None
    from wfdeploy.model.project import parse_shard

    try:
        return parse_shard(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def variables(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE`, any number of times, for an option's `callback`."""
    found: dict[str, str] = {}
    for item in values:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"'{item}' is not NAME=VALUE.")
        found[name] = value
    return found
