"""A stand-in for Google Cloud Storage: the few requests of its XML API that a shared log makes.

No emulator that can be installed here knows that API's writes. This one is ours: it shows that generations find their
way through the library, and nothing of how Google behaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from email.utils import formatdate
from itertools import count
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from tests.fakes.loop_thread import LoopThread
from tests.fakes.raw_http import RawRequest, read_request, response


class GcsServer(LoopThread):
    """One bucket. Requests are carried out one after the other, by the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: dict[str, tuple[bytes, int, float]] = {}
        self._generations = count(1_795_442_400_000_000)

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            writer.write(self._answer(request))
            await writer.drain()

    def _answer(self, request: RawRequest) -> bytes:
        bucket, _, key = request.path.removeprefix("/").partition("/")
        if bucket != "bucket":
            return response(404, "<Error><Code>NoSuchBucket</Code></Error>")
        key = unquote(key)
        if not key:
            return self._list(parse_qs(request.target.partition("?")[2]))
        stored = self._objects.get(key)
        match request.method:
            case "PUT":
                wanted = request.headers.get("x-goog-if-generation-match")
                if wanted is not None and int(wanted) != (0 if stored is None else stored[1]):
                    return response(412, "<Error><Code>PreconditionFailed</Code></Error>")
                self._objects[key] = stored = (request.body, next(self._generations), time.time())
                return response(200, "", _headers(stored))
            case "GET" if stored is not None:
                return response(200, stored[0], _headers(stored))
            case "DELETE" if stored is not None:
                del self._objects[key]
                return response(204)
        return response(404, "<Error><Code>NoSuchKey</Code></Error>")

    def _list(self, query: dict[str, list[str]]) -> bytes:
        (prefix,), (after,) = query["prefix"], query.get("start-after", query.get("continuation-token", [""]))
        keys = [key for key in sorted(self._objects) if key.startswith(prefix) and key > after]
        page, is_cut = keys[:1000], len(keys) > 1000
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>{_tag(self._objects[key][0])}</ETag>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>{len(self._objects[key][0])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if is_cut else ""
        return response(
            200,
            f"<ListBucketResult><IsTruncated>{str(is_cut).lower()}</IsTruncated>{token}{contents}</ListBucketResult>",
        )


def _headers(stored: tuple[bytes, int, float]) -> dict[str, str]:
    content, generation, at = stored
    return {
        "ETag": _tag(content),
        "x-goog-generation": str(generation),
        "Last-Modified": formatdate(at, usegmt=True),
    }


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'
