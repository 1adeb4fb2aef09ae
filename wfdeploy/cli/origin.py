"""Where a copy of wfdeploy came from: what a pipeline names, so that it runs the same one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from urllib.parse import SplitResult, unquote, urlsplit

from wfdeploy.errors import UsageError

GITHUB = "github.com"

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?"
_PATH = r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+"
_REF = r"[A-Za-z0-9_][A-Za-z0-9._/+-]*"
_WELL_FORMED = re.compile(rf"(?P<host>{_HOST})/(?P<path>{_PATH})@(?P<ref>{_REF})")
_SCHEMES = ("https", "http", "ssh")
_ARCHIVES = (
    re.compile(r"/(?P<path>[^/]+/[^/]+)/archive/(?:refs/(?:tags|heads)/)?(?P<ref>.+?)\.(?:tar\.gz|zip)"),
    re.compile(r"/(?P<path>.+?)/-/archive/(?P<ref>.+)/[^/]+\.(?:tar\.gz|zip)"),
)
"""Archives of a commit: at GitHub (Gitea and Forgejo too), and at GitLab."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A version of a repository. `path`: the owner or the groups, and the name. `ref`: a commit or a tag."""

    host: str
    path: str
    ref: str

    @property
    def action(self) -> str:
        """What `uses:` of a GitHub workflow names. Raises: `UsageError` where no action can be."""
        if self.path.count("/") != 1:
            raise UsageError(
                f"{self.host}/{self.path} can't be a repository on GitHub, where the action has to be", hint=_HINT
            )
        return f"{self.path}@{self.ref}"

    @property
    def include(self) -> str:
        """The entry of `include:` of a GitLab pipeline, without its inputs."""
        if self.host == GITHUB:
            return f"remote: https://raw.githubusercontent.com/{self.path}/{self.ref}/templates/pipeline.yml"
        return f"component: {self.host}/{self.path}/pipeline@{self.ref}"

    @property
    def archive(self) -> str:
        """The URL of its files, which pip installs without git."""
        if self.host == GITHUB:
            return f"https://{self.host}/{self.path}/archive/{self.ref}.tar.gz"
        name = self.path.rpartition("/")[2]
        return f"https://{self.host}/{self.path}/-/archive/{self.ref}/{name}-{self.ref.replace('/', '-')}.tar.gz"


_HINT = "name the repository and a commit: --from https://github.com/OWNER/wfdeploy@COMMIT"


def required() -> UsageError:
    """The error where nothing says where wfdeploy comes from."""
    return UsageError(
        "where should the pipeline get wfdeploy from? How this copy was installed doesn't say",
        hint=_HINT,
    )


def parse(text: str) -> Origin:
    """Read `https://HOST/OWNER/NAME@REF`, as pip takes it (`git+...`), or the URL of a commit's archive.

    Raises: `UsageError` for anything else.
    """
    found = _archive(text) or _repository(text)
    if found is None:
        raise UsageError(f"{text} names no version of a repository", hint=_HINT)
    return found


def installed() -> Origin | None:
    """Where the running copy was installed from, as pip, pipx and uv record it; None where that isn't a repository.

    Source: PEP 610 (`direct_url.json`). A copy from an index has none; then the metadata's URL of the sources counts.
    """
    try:
        return of(distribution("wfdeploy"))
    except PackageNotFoundError:
        return None


def of(package: Distribution) -> Origin | None:
    """`installed`, for any distribution."""
    text = package.read_text("direct_url.json")
    if text is None:
        return _released(package)
    try:
        record = json.loads(text)
        url = str(record["url"])
        if "vcs_info" in record:
            return _repository(f"{url}@{record['vcs_info']['commit_id']}")
        return _archive(url) if "archive_info" in record else None
    except (ValueError, KeyError, TypeError):
        return None  # another tool's idea of the file: as if it weren't there


def _released(package: Distribution) -> Origin | None:
    for entry in package.metadata.get_all("Project-URL") or ():
        label, _, url = entry.partition(",")
        if label.strip().lower() in ("source", "repository"):
            return _repository(f"{url.strip()}@v{package.version}")
    return None


def _repository(text: str) -> Origin | None:
    parts = _parts(text.removeprefix("git+"))
    if parts is None:
        return None
    path, _, ref = parts.path.strip("/").rpartition("@")
    return _checked(parts.netloc, path.removesuffix(".git"), ref)


def _archive(text: str) -> Origin | None:
    parts = _parts(text)
    if parts is None:
        return None
    for pattern in _ARCHIVES:
        if match := pattern.fullmatch(unquote(parts.path)):
            return _checked(parts.netloc, match["path"], match["ref"])
    return None


def _parts(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return parts if parts.scheme in _SCHEMES else None


def _checked(netloc: str, path: str, ref: str) -> Origin | None:
    """It becomes part of a pipeline, so nothing else than names may be in it. Credentials are left out."""
    host = netloc.rpartition("@")[2].lower()
    match = _WELL_FORMED.fullmatch(f"{host}/{path}@{ref}")
    return None if match is None or ".." in ref else Origin(match["host"], match["path"], match["ref"])
