"""Whether a state is the whole story of what was triggered, or a listing must be late enough to make up for it."""

from __future__ import annotations

from wfdeploy.model.event import Notice
from wfdeploy.ports import RecordReader
from wfdeploy.workspace import Workspace


def why_suspect(workspace: Workspace, store: RecordReader, *, is_new: bool) -> str | None:
    """Why this state may not be the whole story; None when it surely is."""
    server = workspace.project.server
    if is_new:
        if not workspace.target.local:  # whose server remembers everything
            days = server.log_retention_s / 86400
            workspace.listener(
                Notice(
                    f"no state yet: runs of this project that the server's logs remember (about {days:g} days) "
                    "are adopted; what is older cannot be known"
                )
            )
        return "this state is new"
    if not workspace.state_backend.is_latest(store):
        return "this state may have been copied or restored"
    head = store.head()
    if head.watermark_ms is None:
        return "this state was never compared with the server"
    if head.is_one_of_several(round(1000 * server.log_retention_s)):
        return "another runner may trigger runs of this project too"
    return None
