"""What OpenAPI cannot say about the embedded server's requests, for schemathesis."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import schemathesis
from hypothesis import strategies as st

schemathesis.openapi.format(
    "retry-delay",
    st.sampled_from(["0", "1000", "1000 * (1 + retried)", "pow(2, retried) * 1000", "max(1, min(retried, 9) / 2)"]),
)
schemathesis.openapi.format(
    "flow-control-value",
    st.sampled_from(["parallelism=2", "rate=5,period=1m", "parallelism=2, rate=5, period=1m", "rate=1, period=1d"]),
)

# schemathesis generates no slashes in paths; `before_call` puts them in.
HOSTS = ("127.0.0.1:9", "localhost:9", "127.0.0.1")
schemathesis.openapi.format("uri", st.sampled_from(HOSTS))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, object]) -> None:
    """A destination gets its scheme; the two headers of flow control come together."""
    path = case.path_parameters or {}
    if (host := unquote(str(path.get("url")))) in HOSTS:
        path["url"] = f"http:%2F%2F{host}%2Fa%2F%2Fb"
    headers: Any = case.headers or {}
    pair = ("Upstash-Flow-Control-Key", "Upstash-Flow-Control-Value")
    if sum(name in headers for name in pair) == 1:
        for name in pair:
            headers.pop(name, None)
