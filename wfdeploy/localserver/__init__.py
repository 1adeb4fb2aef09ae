"""A development server that speaks the Upstash Workflow REST API and delivers runs to real endpoints.

How a run flows through these modules::

    app ─► trigger / submit ─► ledger (SQLite) ─► engine ─► delivery ─► the workflow endpoint
     │                            ▲                             │              │
     └─► logs, runs, keys ────────┘        outcome ◄────────────┘     POST /v2/batch (next step)

`serve` runs all of it in a thread, `scenario` scripts trouble for tests, `demo` is an endpoint to play with.

The package shares no code with the client in `wfdeploy.upstash`: both are written from the description of the API, so a
misreading in one is found by the other.

Faithful: triggering, deduplication of running ids, delays, retries, signatures, the step protocol of `run`, `sleep`,
`sleepUntil` and `call` (parallel ones too), failure callbacks, logs, finish and cancel. Stored but not obeyed yet: flow
control. Not there yet: events (wait, notify), invoke, webhooks, the dead-letter queue's own paths, key rotation, and
the list of single events in the logs. Ended runs are kept for good.
"""
