"""What the operator of a command allows the files of a checkout to ask for.

Whoever opens a pull request writes those files. What they may name (the variable that is read as a token, the host
that it is sent to, secrets, other files) is therefore bounded from outside of the checkout: by `--allow` on the command
line and the variable `WFDEPLOY_ALLOW`, both lists of `KIND=PATTERN`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

VARIABLE = "WFDEPLOY_ALLOW"

_TOKENS = ("QSTASH_TOKEN", "QSTASH_TOKEN_*", "*_QSTASH_TOKEN")


class Kind(Enum):
    """What a permission is about."""

    TOKEN = "token"  # noqa: S105 - a kind
    SECRET = "secret"  # noqa: S105
    URL = "url"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Patterns by kind, with `*` and `?` as in file names.

    Those of `TOKEN` add to the names that QStash tokens have. Of `SECRET` and `URL` everything is allowed as long as
    there is no pattern; one pins them. Those of `PATH` are plain paths, relative to the project file: of files and
    folders that may be named although they are hidden or lie elsewhere.
    """

    patterns: frozenset[tuple[Kind, str]] = frozenset()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Permissions:
        """Read `KIND=PATTERN` entries. Raises: `ValueError` for one that isn't."""
        found = set()
        for entry in entries:
            kind, _, pattern = entry.partition("=")
            if not pattern or kind not in {one.value for one in Kind}:
                kinds = ", ".join(one.value for one in Kind)
                raise ValueError(f"{entry!r} is not KIND=PATTERN, with one of these kinds: {kinds}")
            found.add((Kind(kind), pattern))
        return cls(frozenset(found))

    def token(self, variable: str) -> bool:
        """Whether a variable of this name may be read as a token."""
        return _matches(variable, (*_TOKENS, *self._of(Kind.TOKEN)))

    def secret(self, name: str) -> bool:
        """Whether manifests may use a secret of this name."""
        return _matches(name, self._of(Kind.SECRET) or ("*",))

    def url(self, url: str) -> bool:
        """Whether a token may be sent to this URL. A pattern is a host, which then needs HTTPS, or a whole origin."""
        wanted = self._of(Kind.URL)
        if not wanted:
            return True
        parts = urlsplit(url.lower())
        origin = f"{parts.scheme}://{parts.netloc}"
        secure = parts.scheme == "https"
        whole, hosts = ([one.lower() for one in wanted if ("://" in one) is is_whole] for is_whole in (True, False))
        return _matches(origin, (one.rstrip("/") for one in whole)) or (secure and _matches(parts.netloc, hosts))

    def paths(self) -> tuple[str, ...]:
        """What may be named beside the files of the project."""
        return self._of(Kind.PATH)

    def _of(self, kind: Kind) -> tuple[str, ...]:
        return tuple(sorted(pattern for one, pattern in self.patterns if one is kind))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    # Only * and ? are signs: brackets stand around an IPv6 address.
    return any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)
