"""How the server is reached: directly, or through the proxy that the environment names."""

from __future__ import annotations

from functools import cache
from urllib.request import getproxies, proxy_bypass

import httpx

from wfdeploy.errors import UsageError
from wfdeploy.http.pool import Pool, Proxy
from wfdeploy.http.transport import PooledTransport
from wfdeploy.upstash.urls import is_loopback

_IDLE_S = 15.0
"""Load balancers close connections that were idle for a minute or so. A request that meets such a close has an open
outcome, so we give an idle connection up long before."""


def open_transport(url: str, *, connections: int) -> httpx.AsyncBaseTransport:
    """A transport to the server; nothing is connected yet.

    TLS is always verified, against the CAs of `SSL_CERT_FILE` or `SSL_CERT_DIR` where they are set. Raises:
    `UsageError` when the environment names a proxy that can't be used.
    """
    parsed = httpx.URL(url)
    tls = cache(httpx.create_ssl_context)
    if parsed.scheme == "https":
        tls()  # now, where it can be told that a file of CAs is no good; it takes long, and plain HTTP needs none
    return PooledTransport(Pool(connections=connections, idle_s=_IDLE_S, tls=tls, proxy=proxy_for(parsed)))


def proxy_for(url: httpx.URL) -> Proxy | None:
    """The proxy for a URL as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (any case) say; None for none.

    Raises: `UsageError`.
    """
    if is_loopback(str(url)):
        return None  # this very machine, which no proxy can reach
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    try:
        return Proxy.of(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL) as fault:
        raise UsageError(
            f"the proxy that the environment names can't be used: {type(fault).__name__}",
            hint="set HTTPS_PROXY to an http:// or https:// proxy, or NO_PROXY to the server's host",
        ) from fault
