"""A simulated fleet: a team, an embedded server, and weeks of reconciles in virtual time.

`world` strings it together: `people` edit what `manifests` render, `wire` carries (or loses) what apply sends to the
embedded server, `endpoint` plays the workflows. What the server really started is read from its ledger by `observer`,
and judged by the rules (`once`, `order`, `steps`, `recurrence`), none of which looks into wfdeploy's state.
"""
