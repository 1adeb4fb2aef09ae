"""The Upstash Workflow REST API as the far end: what goes over the wire and what comes back.

    settings.py    which server and which token, and which base URLs are good
    headers.py     the one table: manifest field -> header
    wire.py        a request -> one JSON object of a batch
    replies.py     an answer -> what became of each run that was sent, or resumed
    words.py       the server's own words, which runs they name, and what a status other than 200/201 means
    logs.py        a page of the logs -> runs
    facts.py       what headers tell: about the server, and how long a 429 asks to wait
    scrub.py       secrets out of the server's words, in whatever form they come back
    transfer.py    one HTTP exchange, direct or through a proxy, bounded in time and size
    reads.py       asking again what may be asked again
    client.py      the gateway that puts these together

Importing this package imports nothing else, not even what `encoder` makes; httpx is loaded by `client` and what it
stands on only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.ports import Encoder

# httpx imports its own command line where rich is installed, which takes as long as all the rest of it; where it can't,
# it does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def encoder(label: str, secrets: Mapping[str, str]) -> Encoder:
    """What encodes the runs of a project with this label: a `MakeEncoder`."""
    from wfdeploy.upstash.wire import ItemEncoder

    return ItemEncoder(label=label, secrets=secrets)
