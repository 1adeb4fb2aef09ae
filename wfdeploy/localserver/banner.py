"""What `wfdeploy dev` tells a user to paste."""

from __future__ import annotations

from wfdeploy.localserver.tenants import DEFAULT_TENANT, Tenant


def environment(url: str, tenant: Tenant = DEFAULT_TENANT) -> dict[str, str]:
    """The variables that the official SDKs read, for an application that talks to this server."""
    return {
        "QSTASH_URL": url,
        "QSTASH_TOKEN": tenant.token,
        "QSTASH_CURRENT_SIGNING_KEY": tenant.current_key,
        "QSTASH_NEXT_SIGNING_KEY": tenant.next_key,
    }


def exports(url: str, tenant: Tenant = DEFAULT_TENANT) -> str:
    """The same, as lines for a POSIX shell."""
    return "\n".join(f"export {name}='{value}'" for name, value in environment(url, tenant).items())


def sdk_switch(url: str) -> str:
    """What is enough for the JavaScript SDK, as a line for a POSIX shell."""
    port = url.rpartition(":")[2]
    return "export QSTASH_DEV=true" if port == "8080" else f"export QSTASH_DEV=true QSTASH_DEV_PORT={port}"


def banner(
    *,
    url: str,
    demo_url: str | None = None,
    database: str | None = None,
    tenant: Tenant = DEFAULT_TENANT,
    time_scale: float = 1.0,
    plan: str | None = None,
) -> str:
    """The whole greeting, without a trailing newline. Its credentials are published, and of no worth elsewhere."""
    lines = [f"wfdeploy dev: a local Upstash Workflow server at {url}"]
    lines.append(f"  to watch it in a browser: {url}/")
    lines.append(f"  runs are kept in {database}" if database else "  runs are kept in memory")
    if time_scale != 1.0:
        lines.append(f"  its time runs {time_scale:g} times as fast")
    if plan is not None:
        lines.append(f"  it grants what the plan {plan} of the hosted service grants")
    if demo_url:
        lines.append(f"  demo workflow at {demo_url}/demo/<any name>")
    lines += ["", "For your application (the official SDKs read these):", "", exports(url, tenant)]
    lines += [
        "",
        "or, for the JavaScript SDK alone:",
        "",
        sdk_switch(url),
        "",
        "A development server: not for production. Ctrl-C stops it.",
    ]
    return "\n".join(lines)
