"""`wfdeploy dev` that takes a profile of itself: `python -m benchmarks.server.profiled OUT ARGUMENTS...`.

The server's thread only; written to OUT when the server stops. `shares` reads it.
"""

from __future__ import annotations

import cProfile
import pstats
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wfdeploy.localserver.serve import LocalServer

PARTS: Mapping[str, str] = {
    "sockets": r"_socket\.socket|select\.|selectors\.py",
    "SQLite": r"sqlite3\.",
    "event loop": r"/asyncio/|_contextvars|/selectors\.py",
    "HTTP server: uvicorn, llhttp, Starlette": r"/uvicorn/|/starlette/|httptools|/anyio/|/h11/",
    "JSON": r"/json/|_json\.|compact\.py",
    "signatures": r"/jwt/|/hmac\.py|/hashlib|_hashlib|_hmac|/base64\.py|binascii|/uuid\.py",
    "deliveries: what is sent and what comes back": r"localserver/(http_client|tenants|delivery/[dop]\w+)\.py",
    "connections to endpoints": r"wfdeploy/http/",
    "accepting: triggers, submissions, ends": r"localserver/(app|api/\w+|runs/(options|waiting))\.py",
    "records": r"localserver/store/",
    "engine and flow control": r"localserver/(clock|runs/flow|delivery/(engine|flow_keys))\.py",
}
"""Part -> what the names of its functions' files look like."""


def shares(file: Path) -> dict[str, float]:
    """Part -> its share of the time, each function without those that it calls; the profiler's own cost is in it."""
    spent: Counter[str] = Counter()
    stats: Mapping[tuple[str, int, str], tuple[Any, ...]] = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    for (path, _, name), (_, _, own_s, _, _) in stats.items():
        text = name if path == "~" else path
        spent[next((part for part, pattern in PARTS.items() if re.search(pattern, text)), "the rest")] += own_s
    whole = sum(spent.values())
    return {part: own_s / whole for part, own_s in spent.most_common()}


def main() -> int:
    out, *arguments = sys.argv[1:]
    whole = LocalServer._run

    def run(self: LocalServer, *given: Any) -> None:
        profile = cProfile.Profile()
        try:
            profile.runcall(whole, self, *given)
        finally:
            profile.dump_stats(out)

    LocalServer._run = run  # type: ignore[method-assign, assignment]
    from wfdeploy.__main__ import main as wfdeploy

    sys.argv = ["wfdeploy", "dev", *arguments]
    return wfdeploy()


if __name__ == "__main__":
    sys.exit(main())
