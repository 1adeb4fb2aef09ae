"""The project file, the target that a command works on, and shards: one part of all runs, the same for everybody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.files.bounds import Bounds
    from wfdeploy.model.notification import Webhook
    from wfdeploy.model.policy import PolicyRule
    from wfdeploy.model.run import Move


LOCAL = "local"
"""The environment of `--local` and `QSTASH_DEV`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """`server:` of the project file, environment merged in. Sizes in bytes, durations in seconds."""

    url: str | None = None
    token_env: str | None = None
    log_lag_s: float = 60.0
    log_lag_given: bool = False  # False: the embedded server may tell its own
    log_retention_s: float = 3 * 86400.0
    dlq_retention_s: float = 3 * 86400.0
    max_batch_items: int = 100
    max_batch_bytes: int = 10_000_000
    max_message_bytes: int = 1_000_000
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    pool_timeout_s: float = 60.0
    insecure_destinations: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`wfdeploy.yaml` for one environment: overrides merged, expressions in `url` not allowed.

    root: the directory of the project file (the working directory without one).
    manifests: paths relative to it.
    vars: any JSON values.
    secrets: the names that manifests may use.
    state_path, state_url, state_url_env: where the state is; at most one is given. The last is the name of a variable
        that holds a URL.
    state_take_over: whether a shared state may be taken over from a holder that is gone.
    notify: the webhooks that are told what needs a person.
    policies: what its file forbids or warns of, in all environments.
    allowed_paths: files and folders that may be named although they are hidden or lie elsewhere; the operator gives
        them.
    """

    root: Path
    file: Path | None = None
    name: str = "default"
    uid: str | None = None
    environment: str = "default"
    environments: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ("manifests",)
    state_path: str | None = None
    state_url: str | None = None
    state_url_env: str | None = None
    state_take_over: bool = True
    state_required: bool = False
    vars: Mapping[str, object] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    moved: tuple[Move, ...] = ()
    notify: tuple[Webhook, ...] = ()
    server: ServerSettings = field(default_factory=ServerSettings)
    policies: tuple[PolicyRule, ...] = ()
    allowed_paths: tuple[str, ...] = field(default=(), compare=False)

    @property
    def bounds(self) -> Bounds:
        """Where the files lie that the project may name."""
        from wfdeploy.files.bounds import Bounds

        return Bounds.around(self.root, map(Path, self.allowed_paths))

    @property
    def key(self) -> str:
        """What stands for the project in ids and in the label: the uid, or the name where there is none."""
        return self.uid or self.name

    @property
    def label(self) -> str:
        """The label that every run of this project and environment carries."""
        return f"wfdeploy.{self.key}.{self.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a command works: project, environment, server, token, state.

    token: None when there is none.
    token_source: the variable or file that it comes (or would come) from.
    shard: the part of all runs that is meant; None for all.
    state_file: of a state that only this machine has.
    state_url: where a shared state is; None for a file. It may hold a password.
    shared_name: its URL without secrets, for people.
    named_state: the state as the user named it; None for the usual one.
    loopback: the server is on this machine, and destinations may be, too.
    """

    project: Project
    url: str
    token: str | None = field(default=None, repr=False)
    token_source: str = "QSTASH_TOKEN"  # noqa: S105  (a name, not a token)
    state_file: Path = Path()
    state_url: str | None = field(default=None, repr=False)
    shared_name: str = ""
    local: bool = False
    shard: Shard | None = None
    named_state: str | None = None
    loopback: bool = True

    @property
    def state_name(self) -> str:
        """The path or the URL of the state, for people."""
        return self.shared_name or str(self.state_file)

    @property
    def init_command(self) -> str:
        """The command that begins a shared state, for people."""
        named = () if self.named_state is None else (self.shared_name,)
        return self.command("state", "init", *named)

    def command(self, *arguments: str) -> str:
        """A command for the same environment and shard, for people."""
        from wfdeploy.model.address import shell_word

        words = ["wfdeploy", *arguments]
        if self.local:
            words.append("--local")
        elif self.project.environment != "default":
            words += ["-e", self.project.environment]
        if self.shard is not None:
            words += ["--shard", str(self.shard)]
        return " ".join(map(shell_word, words))


_TEXT = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_DIGIT = {char: value for value, char in enumerate("abcdefghijklmnopqrstuvwxyz234567")}
_DIGITS = 12
"""How many characters of a place's digest (60 bits) are the number that is divided: even for 9999 shards the parts are
equal to one in 10^14."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`th (from 1) of `count` parts.

    A run belongs to the part that the digest of its place falls into. Its workflow run id holds that digest too, so a
    manifest and a listing agree.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def covers(self, place: str) -> bool:
        """Whether the run at this place (the digest of project, environment and address) belongs to this part."""
        return shard_index(place, self.count) == self.index - 1


def shard_index(place: str, count: int) -> int:
    """Which of `count` parts (from 0) the run at this place belongs to."""
    number = 0
    for char in place[:_DIGITS]:
        number = number << 5 | _DIGIT[char]
    return number % count


def parse_shard(text: str) -> Shard:
    """`I/N`. Raises: `ValueError`."""
    match = _TEXT.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"{text!r} is not I/N with I from 1 to N, as in 2/4")
    return Shard(int(match[1]), int(match[2]))


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine (RFC 6761 for names)."""
    from ipaddress import ip_address

    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
