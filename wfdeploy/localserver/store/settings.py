"""How messages of a run are delivered: what a trigger sets for the whole run, and one submission for itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from wfdeploy.localserver import compact

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Delivery settings; `None` and missing headers mean: not said, so inherited or the default."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """User headers for the endpoint (`Upstash-Forward-*`), already filtered."""
    method: str | None = None
    content_type: str | None = None
    retries: int | None = None
    retry_delay: str | None = None
    timeout_ms: int | None = None
    failure_url: str | None = None
    failure_headers: Mapping[str, str] = field(default_factory=dict)
    failure_retries: int | None = None
    failure_retry_delay: str | None = None
    failure_timeout_ms: int | None = None
    failure_method: str | None = None
    failure_flow_key: str | None = None
    failure_flow_value: str | None = None
    callback_url: str | None = None
    callback_headers: Mapping[str, str] = field(default_factory=dict)
    callback_retries: int | None = None
    flow_key: str | None = None
    flow_value: str | None = None
    redact: str | None = None
    must_be_workflow: bool = False
    """The first 2xx answer must come from a workflow SDK, else the run fails (`WF_DetectTrigger`)."""
    fetches_lazily: bool = False
    """The endpoint may be sent an empty body and fetches the step list itself."""

    def to_json(self) -> str:
        """Only what is said, as compact JSON."""
        said = {name: value for name in _NAMES if (value := getattr(self, name)) or (value == 0 and value is not False)}
        return compact.dumps(said)

    @staticmethod
    @lru_cache(maxsize=256)
    def from_json(text: str) -> Settings:
        """What `to_json` wrote. The same few texts are read again and again."""
        return Settings(**json.loads(text))

    def over(self, base: Settings) -> Settings:
        """These settings where they say something, those of `base` elsewhere.

        A run's settings hold for all its messages: the JavaScript SDK sends them with the trigger only, the Python SDK
        repeats some with each submission (observed with the SDKs).
        """
        return Settings(
            headers={**base.headers, **self.headers},
            method=self.method,
            content_type=self.content_type,
            retries=_first(self.retries, base.retries),
            retry_delay=_first(self.retry_delay, base.retry_delay),
            timeout_ms=_first(self.timeout_ms, base.timeout_ms),
            failure_url=_first(self.failure_url, base.failure_url),
            failure_headers={**base.failure_headers, **self.failure_headers},
            failure_retries=_first(self.failure_retries, base.failure_retries),
            failure_retry_delay=_first(self.failure_retry_delay, base.failure_retry_delay),
            failure_timeout_ms=_first(self.failure_timeout_ms, base.failure_timeout_ms),
            failure_method=_first(self.failure_method, base.failure_method),
            failure_flow_key=_first(self.failure_flow_key, base.failure_flow_key),
            failure_flow_value=_first(self.failure_flow_value, base.failure_flow_value),
            callback_url=self.callback_url,
            callback_headers=self.callback_headers,
            callback_retries=self.callback_retries,
            flow_key=_first(self.flow_key, base.flow_key),
            flow_value=_first(self.flow_value, base.flow_value),
            redact=_first(self.redact, base.redact),
            must_be_workflow=base.must_be_workflow,
            fetches_lazily=self.fetches_lazily or base.fetches_lazily,
        )


_NAMES = tuple(Settings.__slots__)


def _first(mine: T | None, theirs: T | None) -> T | None:
    return mine if mine is not None else theirs
