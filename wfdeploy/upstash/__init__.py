"""The client of the Upstash Workflow REST API.

    endpoint.py     which server and which token to use; checks of base URLs
    headers.py      the table of manifest fields and headers
    wire.py         a request -> one JSON object of a batch
    replies.py      an answer -> the outcome of each triggered or resumed run
    refusals.py     error answers: their message, the runs they name, their meaning for a batch
    logs.py         pages of the logs and of the dead-letter queue; a run's steps
    facts.py        response headers: facts about the server, and the wait that a 429 requests
    scrub.py        removes secrets from the server's texts, in every encoding
    transfer.py     one HTTP exchange, direct or through a proxy, bounded in time and size
    reads.py        idempotent requests with retries
    bulk_cancel.py  cancelling many runs with one request
    client.py       the gateway that combines them

Importing this package imports nothing else; only `client` and the modules below it load httpx.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.ports import Encoder

# If rich is installed, httpx imports its own command line, which takes as long as the rest of it. It works without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def encoder(label: str, secrets: Mapping[str, str]) -> Encoder:
    """The encoder for the runs of a project with this label (a `MakeEncoder`)."""
    from wfdeploy.upstash.wire import ItemEncoder

    return ItemEncoder(label=label, secrets=secrets)
