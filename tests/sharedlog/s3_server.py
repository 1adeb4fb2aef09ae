"""An S3 server for tests: moto's, with each write's check and write made one step.

Moto looks whether an object is there, and then writes it, with nothing in between to keep another thread out. S3 itself
has no such gap. Run it with a port, and with `ignore-conditions` to do as some servers do. Its web server answers one
request on each connection, and then closes it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class OneAtATime:
    """Lets one request act at a time."""

    def __init__(self, app: Callable[..., Iterable[bytes]], *, conditions: bool) -> None:
        self._app = app
        self._acting = threading.Lock()
        self._conditions = conditions

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self._conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
            environ.pop("HTTP_IF_MATCH", None)
        with self._acting:
            return list(self._app(environ, start_response))


if __name__ == "__main__":
    _, port, *words = sys.argv
    run_simple(
        "127.0.0.1",
        int(port),
        OneAtATime(DomainDispatcherApplication(create_backend_app), conditions="ignore-conditions" not in words),
        threaded=True,
    )
