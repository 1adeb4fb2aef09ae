"""A log in a bucket: S3 and compatible, Google Cloud Storage, Azure Blob Storage.

    <prefix>/entries/<number / 10,000, 8 digits>/<number, 12 digits>
    <prefix>/snapshots/<number, 12 digits>
    <prefix>/lease
    <prefix>/incarnation         random, written once: tells a bucket that was made anew, or restored by copying
    <prefix>/scratch/...         probes, and what the bucket's clock is read from

Keys are as long as each other, so their order is that of the numbers. The library's own retries are off: its second try
would find what the first one wrote, and call it somebody else's.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil, log2
from typing import TYPE_CHECKING, Any, BinaryIO

from wfdeploy.errors import StateError, StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Listed, Stored, WriteAnswer, WriteOutcome
from wfdeploy.sharedlog.probe import probe, require_decided

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from wfdeploy.sharedlog.bucket_setup import BucketSetup

_ENTRY = re.compile(r"entries/\d{8}/(\d{12})")
_SNAPSHOT = re.compile(r"snapshots/(\d{12})")
_LEASE, _INCARNATION, _CLOCK = "lease", "incarnation", "scratch/clock"

_SLOWEST_BYTES_PER_S = 64 * 1024
"""A request may take longer by what its bytes take at this rate."""

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where the objects are, and how to reach them."""

    name: str
    """The URL without secrets."""

    noun: str
    """Bucket or container."""

    container: str

    prefix: str

    read_setup: Callable[[float], BucketSetup]
    """Finds out how it is set up; given how long one request may take, in seconds."""

    connect: Callable[[Mapping[str, Any]], ObjectStore]
    """Makes a store, rooted at the prefix, with these client options."""

    permissions: str
    """What the credentials must be allowed to do, in words of the provider."""

    log_in: str
    """How people come by credentials."""


@dataclass(slots=True)
class ObjectLog:
    """A `LogBackend` on objects; its methods are documented there."""

    bucket: Bucket

    request_s: float
    """How long one small request may take, connecting included."""

    _stores: dict[int, ObjectStore] = field(init=False, default_factory=dict)
    """By what their requests may take: as many seconds as `request_s` doubled so many times; -1 for those that read
    something large, and for which only a pause is too long."""

    def __post_init__(self) -> None:
        self._store(0)  # what is missing is found out now

    @property
    def name(self) -> str:
        return self.bucket.name

    def prepare(self) -> None:
        require_decided(self.name, self._create(_INCARNATION, secrets.token_hex(16).encode()))

    def check(self) -> None:
        key = f"scratch/{secrets.token_hex(16)}"
        try:
            probe(
                self.name,
                create=lambda content: self._create(key, content),
                swap=lambda content, version: self._swap(key, content, version),
                read=lambda: self._read(key),
            )
        finally:
            self._delete(key)

    def warnings(self) -> Sequence[tuple[str, str]]:
        return self.bucket.read_setup(self.request_s).warnings(self.bucket.prefix)

    def incarnation(self) -> str:
        stored = self._read(_INCARNATION)
        return "" if stored is None else f"{stored.content.decode()} {stored.version} {stored.written_at_ms}"

    def now_ms(self) -> int:
        with self._explained("write"):
            self._store(0).put(_CLOCK, secrets.token_bytes(8))
        stored = self._read(_CLOCK)
        if stored is None or stored.written_at_ms is None:
            raise StateUnreachable(f"{self.name} doesn't tell the time of a write")
        return stored.written_at_ms

    # --- entries ---------------------------------------------------------------------------------------------

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:  # noqa: ARG002 - can't be checked
        answer = self._create(_entry_key(number), content)
        return replace(answer, version=_tag(answer.version))

    def list_entries(self, first: int, limit: int) -> Sequence[Listed]:
        found: list[Listed] = []
        offset = _entry_key(first - 1) if first else None
        for listed in self._list("entries", _ENTRY, offset, limit):
            if listed.number >= first:  # not every store knows how to begin in the middle
                found.append(listed)
            if len(found) == limit:
                break
        return found

    def read_entry(self, number: int) -> Stored | None:
        stored = self._read(_entry_key(number), -1)
        return None if stored is None else replace(stored, version=_tag(stored.version))

    def delete_entry(self, number: int) -> None:
        self._delete(_entry_key(number))

    # --- snapshots -------------------------------------------------------------------------------------------

    def create_snapshot(self, number: int, source: BinaryIO) -> WriteAnswer:
        # A conditional request carries its object whole; in parts, nothing would be checked.
        return self._create(_snapshot_key(number), source.read())

    def list_snapshots(self) -> Sequence[Listed]:
        return list(self._list("snapshots", _SNAPSHOT, None, 1000))

    def read_snapshot(self, number: int, target: BinaryIO) -> bool:
        try:
            with self._explained("read"):
                pieces = self._store(-1).get(_snapshot_key(number)).stream(min_chunk_size=_PIECE_BYTES)
            while True:
                with self._explained("read"):
                    piece = next(pieces, None)
                if piece is None:
                    return True
                target.write(piece)
        except FileNotFoundError:
            return False

    def delete_snapshot(self, number: int) -> None:
        self._delete(_snapshot_key(number))

    # --- the lease -------------------------------------------------------------------------------------------

    def read_lease(self) -> Stored | None:
        return self._read(_LEASE)

    def create_lease(self, content: bytes) -> WriteAnswer:
        return self._create(_LEASE, content)

    def swap_lease(self, content: bytes, version: str) -> WriteAnswer:
        return self._swap(_LEASE, content, version)

    def close(self) -> None:
        """Nothing to do: connections that idle are closed by the library."""

    # --- objects ---------------------------------------------------------------------------------------------

    def _create(self, key: str, content: bytes) -> WriteAnswer:
        return self._put(key, content, "create")

    def _swap(self, key: str, content: bytes, version: str) -> WriteAnswer:
        e_tag, _, generation = version.partition(" ")
        known = {"e_tag": e_tag and f'"{e_tag}"', "version": generation}
        return self._put(key, content, {name: value for name, value in known.items() if value})

    def _put(self, key: str, content: bytes, mode: Any) -> WriteAnswer:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        longer = ceil(log2(1 + len(content) // _SLOWEST_BYTES_PER_S / self.request_s))
        try:
            with self._explained("write"):
                # An object in parts is not checked against its condition.
                put = self._store(longer).put(key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            # Also said where writers collided and nothing is there (409), so that it has to be read.
            return WriteAnswer(WriteOutcome.REFUSED)
        except FileNotFoundError:
            return WriteAnswer(WriteOutcome.REFUSED)  # what was to be replaced is gone
        except StateUnreachable as error:
            return WriteAnswer(WriteOutcome.UNDECIDED, reason=error.message)
        return WriteAnswer(WriteOutcome.WRITTEN, _version(put))

    def _read(self, key: str, longer: int = 0) -> Stored | None:
        try:
            with self._explained("read"):
                got = self._store(longer).get(key)
                meta = got.meta
                content = bytes(got.bytes())
        except FileNotFoundError:
            return None
        return Stored(content, _version(meta), int(meta["last_modified"].timestamp() * 1000))

    def _list(self, prefix: str, pattern: re.Pattern[str], offset: str | None, pieces: int) -> Iterator[Listed]:
        last = -1
        with self._explained("list"):
            for chunk in self._store(0).list(prefix, offset=offset, chunk_size=pieces):
                for meta in chunk:
                    match = pattern.fullmatch(meta["path"])
                    if match is None:
                        continue
                    number = int(match[1])
                    if number <= last:
                        raise StateUnusable(
                            f"{self.name} doesn't list its objects in order", hint="use a general purpose bucket"
                        )
                    last = number
                    yield Listed(number, meta["size"], _tag(_version(meta)))

    def _delete(self, key: str) -> None:
        try:
            with self._explained("delete"):
                self._store(0).delete(key)
        except FileNotFoundError:
            pass

    def _store(self, longer: int) -> ObjectStore:
        """The store for requests that may take longer; see `_stores`. It keeps its connections."""
        store = self._stores.get(longer)
        if store is None:
            options = {"connect_timeout": timedelta(seconds=self.request_s / 2)}
            if longer < 0:
                options |= {"read_timeout": timedelta(seconds=self.request_s), "timeout": timedelta(hours=6)}
            else:
                options |= {"timeout": timedelta(seconds=self.request_s * 2**longer)}
            store = self._stores[longer] = self.bucket.connect(options)
        return store

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Raise the library's errors as ours, but those that say that an object is, or is not, there."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            yield
        except StateError:
            raise
        except (BaseError, OSError, ValueError) as error:
            is_about_object = isinstance(error, FileNotFoundError | AlreadyExistsError | PreconditionError)
            if is_about_object and not _says_no_bucket(str(error)):
                raise
            raise _explain(self.bucket, verb, str(error)) from None


def _explain(bucket: Bucket, verb: str, text: str) -> StateError:
    what = f"cannot {verb} the shared state {bucket.name}"
    if found := re.search(r"credential provider: ([^\n]*)|token request: ([^\n]*)", text):
        return _explain_credentials(bucket, what, found[1] or found[2])
    status = int(found[1]) if (found := re.search(r"status code: (\d{3})", text)) else 0
    code = found[1] if (found := re.search(r"<Code>(\w+)</Code>", text)) else ""
    said = f"HTTP {status}{f' {code}' if code else ''}"
    if _says_no_bucket(text):
        return StateUnusable(
            f"{what}: there is no {bucket.noun} {bucket.container}",
            hint=f"correct the URL, or create the {bucket.noun}; wfdeploy creates none",
        )
    if code == "RequestTimeTooSkewed":
        return StateUnusable(f"{what}: this machine's clock is wrong ({said})", hint="set the clock")
    if status in {401, 403} or code in {"ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
        return StateUnusable(
            f"{what}: permission denied ({said})",
            hint=f"the credentials of the environment need {bucket.permissions}",
        )
    if status in {301, 307, 308} or code == "AuthorizationHeaderMalformed" or "configured region" in text:
        return StateUnusable(
            f"{what}: the {bucket.noun} is in another region", hint="name that region in the URL: ?region=..."
        )
    if status == 501:
        return StateUnusable(
            f"{what}: the store knows no conditional writes ({said})",
            hint="a shared state needs them: use a newer version of the server, or another one",
        )
    if code == "RequestTimeout" or status in {408, 429} or status >= 500:
        full = status == 507 or "Full" in code or "Quota" in code
        return StateUnreachable(
            f"{what}: {'the store is full' if full else 'the store is busy or out of order'} ({said})",
            hint="free some space" if full else "try again later",
        )
    if status >= 400:
        return StateUnusable(f"{what}: the store refused the request ({said})", hint="check the URL and its parameters")
    return StateUnreachable(
        f"{what}: no answer ({_first_line(text)})", hint="check the network, and the endpoint in the URL"
    )


def _explain_credentials(bucket: Bucket, what: str, text: str) -> StateError:
    if re.search(r"[Tt]imed? ?out|Connection|Transport|ServiceRequest", text):
        return StateUnreachable(
            f"{what}: who gives the credentials doesn't answer ({_first_line(text)})", hint="try again"
        )
    return StateUnusable(f"{what}: no credentials were found ({_first_line(text)})", hint=bucket.log_in)


def _says_no_bucket(text: str) -> bool:
    return re.search(r"NoSuchBucket|ContainerNotFound|specified (bucket|container) does not exist", text) is not None


def _first_line(text: str) -> str:
    """The end of the first line of the library's message, without addresses, which may carry signatures."""
    line = text.partition("\n")[0].rpartition(" - ")[2]
    return re.sub(r"\w+://\S+", "...", line)[:200].strip()


def _version(meta: Any) -> str:
    """Both marks of a version: Google compares generations, the others ETags. Azure lists those without quotes."""
    return f"{(meta['e_tag'] or '').strip(chr(34))} {meta['version'] or ''}".rstrip()


def _tag(version: str) -> str:
    """The part of a version that listings tell too."""
    return version.partition(" ")[0]


def _entry_key(number: int) -> str:
    return f"entries/{number // 10_000:08d}/{number:012d}"


def _snapshot_key(number: int) -> str:
    return f"snapshots/{number:012d}"
