"""A development server that speaks the Upstash Workflow REST API and delivers runs to real endpoints.

How a run flows through these rooms::

    app ─► api (trigger, intake) ─► store (ledger, SQLite) ─► delivery (engine) ─► the workflow endpoint
              │                          ▲                        (delivery)             │
              ├─► logs, dlq, views ──────┤                            │     POST /v2/batch (next step)
              └─► runs: waiting, revival ┴── outcome ◄──────────────────┘

`serve` runs all of it in a thread, into which tests look from another; `scenario` scripts trouble, `demo` is an
endpoint to play with, `page` is what a person sees of it in a browser. Each part of `api` ends with the table of its
paths, in the words of `openapi`; `api.routes` makes the routes and the OpenAPI document of them.

The package shares no reading of the API with the client in `wfdeploy.upstash`: both are written from its description,
so a misreading in one is found by the other. Both send over `wfdeploy.http`, which knows nothing of it.

Ended runs are kept for good.
"""
