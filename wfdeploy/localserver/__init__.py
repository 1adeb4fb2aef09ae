"""A development server that speaks the Upstash Workflow REST API and delivers runs to real endpoints.

The path of a run through the rooms::

    app ─► api (trigger, ingest) ─► store (run_store, SQLite) ─► delivery (engine) ─► the workflow endpoint
              │                          ▲                           (delivery)             │
              ├─► logs, dlq, run_view ───┤                               │     POST /v2/batch (next step)
              └─► runs: waiting, dlq_retry ── outcome ◄──────────────────┘

- `serve` runs the server in its own thread and lets tests look into it from another one.
- `fault_plan` scripts failures for tests, `demo` is an endpoint to try things with, `page` is the web page.
- Each module of `api` ends with the table of its paths, written with the types of `openapi`. `api.routes` turns the
  tables into routes and into the OpenAPI document.

The package shares no parsing of the API with the client in `wfdeploy.upstash`: both follow the API's documentation, so
a misreading in one shows up against the other. Both send through `wfdeploy.http`, which knows nothing about the API.

Ended runs are never deleted.
"""
