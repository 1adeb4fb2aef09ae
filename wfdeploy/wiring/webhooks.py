"""The webhooks of a project, held to what the operator allows: a pull request can name any variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfdeploy.http.urls import problem_of
from wfdeploy.project.permissions import VARIABLE, refuse_webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfdeploy.ports import Webhooks
    from wfdeploy.wiring.settings import Settings


def webhooks_of(settings: Settings) -> tuple[Callable[[], Webhooks], frozenset[str]]:
    """What opens the way to the webhooks, and the names of those whose variables are set.

    Raises: `InvalidInput` where a variable holds something that nothing may be sent to. No message holds its value.
    """
    project = settings.target.project
    urls: dict[str, str] = {}
    for webhook in project.notify:
        url = settings.environ.get(webhook.url_env, "").strip()
        if not url:
            continue
        if not settings.permissions.notify(url) or problem_of(url) is not None:
            # One message for whatever the variable holds: it may be any secret of the job.
            refuse_webhook(
                project,
                settings.cwd,
                webhook.name,
                message=f"{webhook.url_env} holds no URL of a webhook that is allowed here",
                hint="it begins with https://, and whoever runs this command allows its host: --allow notify=HOST, or "
                f"{VARIABLE} in the environment",
            )
        urls[webhook.name] = url

    def open_webhooks() -> Webhooks:
        from wfdeploy.webhooks.sender import HttpWebhooks

        return HttpWebhooks(urls)

    return open_webhooks, frozenset(urls)
