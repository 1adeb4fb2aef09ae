"""How the server is reached: directly, or through the proxy that the environment names."""

from __future__ import annotations

import ssl
from urllib.request import getproxies, proxy_bypass

import httpx

from wfdeploy.errors import UsageError
from wfdeploy.upstash.direct import DirectTransport
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
    # Loading the CAs takes longer than a small apply, and plain HTTP needs none.
    context = httpx.create_ssl_context() if parsed.scheme == "https" else None
    proxy = _proxy(parsed)
    if proxy is None:
        return DirectTransport(ssl_context=context, connections=connections, idle_s=_IDLE_S)
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_IDLE_S)
    try:
        return httpx.AsyncHTTPTransport(
            verify=context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), proxy=proxy, limits=limits
        )
    except (ImportError, ValueError, httpx.InvalidURL) as fault:
        raise UsageError(
            f"the proxy that the environment names can't be used: {type(fault).__name__}",
            hint="set HTTPS_PROXY to an http:// or https:// proxy, or NO_PROXY to the server's host",
        ) from fault


def _proxy(url: httpx.URL) -> str | None:
    """The proxy for a URL as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (any case) say; None for none."""
    if is_loopback(str(url)):
        return None  # this very machine, which no proxy can reach
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
