"""Parse the request headers of a trigger or a submission.

Sources: Upstash Workflow REST reference, "Trigger Workflow Run"; which headers the SDKs send was observed with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import durations, flow
from wfdeploy.localserver.runs.durations import DAY_MS
from wfdeploy.localserver.runs.quotas import LOCAL, MAX_RETRIES
from wfdeploy.localserver.store.filters import check_url
from wfdeploy.localserver.store.records import DeliverySettings

_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,4})?")
_FAR_S = 1e12
"""Tens of thousands of years; floats are still exact to the millisecond."""

_NAME = "[A-Za-z0-9._-]+"
"""What the service takes as a label, a flow-control key and the like (workflow-js, issue 196)."""

_REDACTED = r"(body|headers?|headers?\[[!#$%&'*+.^_`|~0-9A-Za-z-]+\])"
"""As the REST reference and the SDKs write the fields to redact."""

NAME_PATTERN = f"^{_NAME}$"
RUN_ID_PATTERN = f"^{_NAME.removesuffix('+')}{{1,256}}$"
"""The length is this server's own limit."""

_BLANK = r"[ \t]*"
LABELS_PATTERN, REDACTED_PATTERN = (
    f"^{_BLANK}({one}{_BLANK})?(,{_BLANK}({one}{_BLANK})?)*$" for one in (_NAME, _REDACTED)
)
"""Separated by commas, each with blanks around it, or none. A text matches in one way only, so a long one is cheap."""

_MISSING_HERE = {
    "upstash-deduplication-id": "give the run an Upstash-Workflow-RunId",
    "upstash-content-based-deduplication": "give the run an Upstash-Workflow-RunId",
    "upstash-cron": "it has no schedules",
    "upstash-queue-name": "it has no queues; use flow control",
}
"""Options of the service that would silently do nothing here, and what there is instead."""

_FORWARD = "upstash-forward-"
# The Python SDK sends back the headers of the delivery, with a call as headers for the callback.
_DELIVERIES = ("upstash-forward-upstash-message-id", "upstash-callback-forward-upstash-message-id")
_FAILURE = "upstash-failure-callback-"
_CALLBACK = "upstash-callback-"

# The Python SDK sends back every header that it received, under `Upstash-Forward-`. Headers of one HTTP exchange, and
# those that the server sets on each delivery, must not reach the next one: a stale length or signature breaks it.
_PER_EXCHANGE = frozenset(
    {
        "host",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "proxy-connection",
        "content-length",
        "content-type",
        "content-encoding",
        "accept-encoding",
        "user-agent",
        "upstash-signature",
        "upstash-message-id",
        "upstash-retried",
        "upstash-caller-ip",
        "upstash-region",
    }
)
# The Python SDK also sends LazyFetch, but answers 500 to an empty body; it does not send the other name (observed).
_FETCHES_LAZILY = frozenset({"LazyFetch", "WF_TriggerOnConfig"})

_KEPT_WORKFLOW_HEADERS = frozenset({"upstash-workflow-invoke-count"})
_NEVER_ON_CALLBACKS = frozenset({"upstash-workflow-sdk-version", "upstash-workflow-runid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The parsed headers of one request. `control`: the `Upstash-*` headers, names in lower case."""

    control: Mapping[str, str]
    settings: DeliverySettings
    labels: tuple[str, ...]

    @property
    def run_id(self) -> str | None:
        return self.control.get("upstash-workflow-runid") or None

    @property
    def starts_run(self) -> bool:
        return self.control.get("upstash-workflow-init", "").lower() == "true"

    @property
    def is_of_run(self) -> bool:
        """Whether this starts or continues a run; anything else is a plain message."""
        return self.starts_run or self.run_id is not None

    def check_plain(self) -> None:
        """Raises: Refused for a plain message with an option that this server has for runs only."""
        for name in ("upstash-callback", "upstash-failure-callback"):
            if self.control.get(name):
                raise Refused(f"{name} of a plain message is not supported by this server")

    @property
    def is_invoke(self) -> bool:
        """Whether another run waits for the end of this one (`context.invoke`)."""
        return self.control.get("upstash-workflow-invoke", "").lower() == "true"

    @property
    def completes_handshake(self) -> bool:
        """Whether an endpoint triggers a run itself that it got through the REST API (see `Handshake`)."""
        return self.control.get("upstash-workflow-trigger-by-sdk", "").lower() == "true"

    @property
    def delivery(self) -> str | None:
        """The message whose delivery this was sent from, if the SDK names it (the Python SDK does)."""
        return next((self.control[name] for name in _DELIVERIES if name in self.control), None)

    @property
    def is_call(self) -> bool:
        """Whether this is a request to a third party whose answer goes back to the workflow (`context.call`)."""
        return self.control.get("upstash-workflow-calltype", "").lower() == "tocallback"

    def due_ms(self, now_ms: int, *, ahead_ms: int = 0, longest_ms: int = LOCAL.max_delay_ms) -> int:
        """When the first delivery is due; a time in the past means now. `ahead_ms`: see `ServerClock`.

        Raises: Refused for a delay that is invalid or longer than `longest_ms`.
        """
        due = now_ms
        if (text := self.control.get("upstash-delay")) is not None:
            try:
                due += durations.parse_ms(text)
            except ValueError:
                raise Refused(f"invalid Upstash-Delay: {text!r}") from None
        if (text := self.control.get("upstash-not-before")) is not None:
            if not _NUMBER.fullmatch(text):
                raise Refused(f"invalid Upstash-Not-Before: {text[:200]!r}")
            due = round(max(-_FAR_S, min(float(text), _FAR_S)) * 1000) + ahead_ms
        if due - now_ms > longest_ms:
            raise Refused(f"the delay is longer than {longest_ms // DAY_MS} days", status=412)
        return max(due, now_ms)


def read(headers: Mapping[str, str], *, is_trigger: bool = False) -> Options:
    """Parse the headers. `is_trigger`: of a trigger of the REST API, which has no header that says so.

    Raises: Refused for a value that the API does not accept.
    """
    control: dict[str, str] = {}
    forward: dict[str, str] = {}
    callback: dict[str, str] = {}
    failure: dict[str, str] = {}
    content_type: str | None = None
    for name, value in headers.items():
        lower = name.lower()
        if lower in _DELIVERIES:
            control[lower] = value
        elif lower.startswith(_FORWARD):
            if lower[len(_FORWARD) :] not in _PER_EXCHANGE:
                forward[name[len(_FORWARD) :]] = value
        elif lower.startswith(_FAILURE + "forward-"):
            _keep_for_callback(failure, name[len(_FAILURE) + 8 :], value)
        elif lower.startswith(_CALLBACK + "forward-"):
            _keep_for_callback(callback, name[len(_CALLBACK) + 8 :], value)
        elif lower.startswith("upstash-"):
            control[lower] = value
        elif lower == "content-type":
            content_type = value
    for name, instead in _MISSING_HERE.items():
        if name in control:
            raise Refused(f"{name} is not supported by this server: {instead}")
    wanted = Options(
        control=control,
        settings=DeliverySettings(),
        labels=tuple(label for part in control.get("upstash-label", "").split(",") if (label := part.strip())),
    )
    _check_names(control)
    if is_trigger or (wanted.is_of_run and not wanted.is_call):
        # The server sets these itself on the deliveries of a run. Others get what was submitted for them: a call may
        # name the run that it starts, or be a failure callback.
        forward = {name: value for name, value in forward.items() if not _is_servers_own(name.lower())}
    return replace(wanted, settings=_settings(control, forward, failure, callback, content_type))


_NAMES = {
    "upstash-label": LABELS_PATTERN,
    "upstash-workflow-runid": RUN_ID_PATTERN,
    "upstash-flow-control-key": NAME_PATTERN,
    _FAILURE + "flow-control-key": NAME_PATTERN,
    "upstash-redact-fields": REDACTED_PATTERN,
}


def _check_names(control: Mapping[str, str]) -> None:
    """Raises: Refused for a name that the service doesn't take."""
    for name, pattern in _NAMES.items():
        value = control.get(name)
        if value is not None and not re.fullmatch(pattern[1:-1], value):
            allowed = (
                "expected body, header or header[Name]"
                if pattern is REDACTED_PATTERN
                else "it may contain letters, digits, '-', '_' and '.'"
            )
            raise Refused(f"invalid {name}: {value[:200]!r}; {allowed}")


def _is_servers_own(lower: str) -> bool:
    return lower.startswith("upstash-workflow-") and lower not in _KEPT_WORKFLOW_HEADERS


def _keep_for_callback(kept: dict[str, str], name: str, value: str) -> None:
    """Keep a header for callbacks, unless the server sets it itself or it marks a run's step (the SDK version)."""
    lower = name.lower()
    if lower and lower not in _PER_EXCHANGE and lower not in _NEVER_ON_CALLBACKS:
        kept[name] = value


def _settings(
    control: Mapping[str, str],
    forward: Mapping[str, str],
    failure: Mapping[str, str],
    callback: Mapping[str, str],
    content_type: str | None,
) -> DeliverySettings:
    features = {feature.strip() for feature in control.get("upstash-feature-set", "").split(",")}
    flow_key, flow_value = _flow(control, "upstash-")
    failure_flow_key, failure_flow_value = _flow(control, _FAILURE)
    failure_url = control.get("upstash-failure-callback") or None
    if failure_url is not None:
        check_url(failure_url, what="Upstash-Failure-Callback")
    callback_url = control.get("upstash-callback") or None
    if callback_url is not None:
        check_url(callback_url, what="Upstash-Callback")
    return DeliverySettings(
        headers=forward,
        method=control.get("upstash-method"),
        content_type=content_type,
        retries=_retries(control, "upstash-retries"),
        retry_delay=_retry_delay(control, "upstash-retry-delay"),
        timeout_ms=_timeout_ms(control, "upstash-timeout"),
        failure_url=failure_url,
        failure_headers=failure,
        failure_retries=_retries(control, _FAILURE + "retries"),
        failure_retry_delay=_retry_delay(control, _FAILURE + "retry-delay"),
        failure_timeout_ms=_timeout_ms(control, _FAILURE + "timeout"),
        failure_method=control.get(_FAILURE + "method"),
        failure_flow_key=failure_flow_key,
        failure_flow_value=failure_flow_value,
        callback_url=callback_url,
        callback_headers=callback,
        callback_retries=_retries(control, _CALLBACK + "retries"),
        flow_key=flow_key,
        flow_value=flow_value,
        redact=control.get("upstash-redact-fields"),
        must_be_workflow="WF_DetectTrigger" in features,
        fetches_lazily=features >= _FETCHES_LAZILY,
    )


def _retries(control: Mapping[str, str], name: str) -> int | None:
    text = control.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,100}", text.strip()):
        raise Refused(f"invalid {name}: {text[:200]!r}")
    if int(text) > MAX_RETRIES:
        raise Refused(f"{name} may be {MAX_RETRIES} at most", status=412)
    return int(text)


def _retry_delay(control: Mapping[str, str], name: str) -> str | None:
    text = control.get(name)
    if text is None:
        return None
    try:
        durations.check_expression(text)
    except durations.BadExpression as error:
        raise Refused(f"invalid {name}: {error}") from None
    return text


def _timeout_ms(control: Mapping[str, str], name: str) -> int | None:
    text = control.get(name)
    if text is None:
        return None
    try:
        return durations.parse_ms(text)
    except ValueError:
        raise Refused(f"invalid {name}: {text!r}") from None


def _flow(control: Mapping[str, str], prefix: str) -> tuple[str | None, str | None]:
    """Key and value of flow control."""
    key, value = control.get(f"{prefix}flow-control-key"), control.get(f"{prefix}flow-control-value")
    if (key is None) != (value is None):
        raise Refused(f"{prefix}flow-control-key and {prefix}flow-control-value must come together")
    if value is not None:
        try:
            flow.parse(value)
        except ValueError:
            raise Refused(f"invalid Upstash-Flow-Control-Value: {value!r}") from None
    return key, value
