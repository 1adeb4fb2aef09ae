"""How runs do that are adopted. Of one that the server showed before it was declared, the state remembers how it did
then."""

from __future__ import annotations

from dataclasses import replace

from wfdeploy.model.state import Standing
from wfdeploy.planning.listing.adoption import Adoption
from wfdeploy.planning.listing.observing import View, observe


def going(adoption: Adoption) -> list[Standing]:
    """Those that aren't known to have ended."""
    standings = [record.standing for record in adoption.adopted.values()]
    return [one for one in standings if one.run_state is None or not one.run_state.is_final]


def brought_up_to_date(adoption: Adoption, view: View | None) -> Adoption:
    """What is adopted, as the listing has it."""
    if view is None:
        return adoption
    adopted = dict(adoption.adopted)
    for standing, edit in observe(going(adoption), view, starts_ms=lambda _: 0, was_sent=lambda _: True):
        if edit is None:
            continue
        adopted[standing.address] = replace(
            adopted[standing.address],
            run_state=standing.run_state,
            observed_at_ms=standing.observed_at_ms,
            completed_at_ms=standing.completed_at_ms,
            dlq_id=standing.dlq_id,
        )
    return replace(adoption, adopted=adopted)
