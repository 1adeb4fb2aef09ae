"""Workflow run ids: what makes an outcome verifiable.

`wfr_<slug>-<digest of project, environment, address>-g<generation>-f<version><digest of the fingerprint>`: readable,
derived from nothing but these, and the same after the state was lost. A run to which its author gave another id carries
its derived one as a label. How ids are read back: `model/workflow_id.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from wfdeploy.manifests.identify.digest import LENGTH, digest
from wfdeploy.model.address import instance_parts
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.workflow_id import PREFIX

if TYPE_CHECKING:
    from wfdeploy.model.state import Attempt

_SLUG_LENGTH = 40
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_DASHES = {code: chr(code).lower() if chr(code).isalnum() else "-" for code in range(128)}
_text = json.encoder.encode_basestring
_LABEL = re.compile(rf"wfdeploy\.([a-z2-7]{{{LENGTH}}})\.g([1-9][0-9]*)\.a([1-9][0-9]*)")


def place_of(project: str, environment: str, address: str) -> str:
    """The digest that stands for an address in ids; no two projects or environments share one."""
    return digest(_before_address(project, environment) + _text(address).encode() + b"]")


@lru_cache(maxsize=8)
def _before_address(project: str, environment: str) -> bytes:
    """The canonical form of `[project, environment, address]` up to the address."""
    return canonical_json([project, environment])[:-1] + b","


@lru_cache(maxsize=4)
def run_id(project: str, environment: str, address: str, fingerprint: str, generation: int) -> str:
    """The workflow run id of a declared run, in characters that ids may hold (`[A-Za-z0-9_-]`).

    The id of an instance holds its time, so that a listing shows which instances there are.
    """
    parts = instance_parts(address) if "@" in address else None
    name, at = parts or (address, "")
    slug = _dashed(name)[:_SLUG_LENGTH].strip("-")
    if at:
        slug += f"-{_dashed(at)}"
    version, _, digest_text = fingerprint.partition(":")
    place = place_of(project, environment, address)
    return f"{PREFIX}{slug + '-' if slug else ''}{place}-g{generation}-f{version}{digest_text}"


def _dashed(text: str) -> str:
    """In lower case, dashes for whatever isn't a letter or a digit, none at the ends."""
    if text.isascii():  # the same result, several times as fast
        dashed = text.translate(_DASHES)
        if "--" not in dashed:
            return dashed.strip("-")
    return _NOT_SLUG.sub("-", text.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Naming:
    """`run_id` for the addresses of one project and environment."""

    project: str
    environment: str

    def __call__(self, address: str, fingerprint: str, generation: int) -> str:
        return run_id(self.project, self.environment, address, fingerprint, generation)

    def of_attempt(self, attempt: Attempt, origins: Iterable[str] = ()) -> list[str]:
        """The ids or labels that the run of an attempt is found by.

        origins: former names of its address, under which it may have gone out too.
        """
        if not attempt.explicit_id:
            return [attempt.workflow_run_id]
        names = (attempt.address, *origins)
        return [run_id(self.project, self.environment, name, attempt.fingerprint, attempt.generation) for name in names]


@dataclass(frozen=True, slots=True)
class AttemptParts:
    """The parts of an attempt's label.

    place: the digest of its address and fingerprint.
    tries: counts the attempts.
    """

    place: str
    generation: int
    tries: int


def attempt_place(project: str, environment: str, address: str, fingerprint: str) -> str:
    """The digest that stands for an address and what it does in the labels of attempts."""
    return digest(canonical_json([project, environment, address, fingerprint]))


def attempt_label(place: str, generation: int, tries: int) -> str:
    """The label of a resumed run, which the server gives an id of its own: `wfdeploy.DIGEST.gN.aM`.

    The project's label has fewer dots. `place`: of `attempt_place`.
    """
    return f"wfdeploy.{place}.g{generation}.a{tries}"


def parse_attempt(labels: Iterable[str]) -> AttemptParts | None:
    """The parts of the attempt's label among these; None when there is none."""
    for label in labels:
        match = _LABEL.fullmatch(label)
        if match is not None:
            return AttemptParts(match[1], int(match[2]), int(match[3]))
    return None
