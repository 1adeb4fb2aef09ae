"""Which settings ask too much of an account."""

from __future__ import annotations

import pytest

from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import ServerFacts
from wfdeploy.operations.account_limits import fitting_settings

FREE = ServerFacts(messages_per_day=1000)
PAID = ServerFacts()


@pytest.mark.parametrize(
    ("facts", "settings", "suggested"),
    [
        (PAID, ServerSettings(), {}),
        (FREE, ServerSettings(), {}),
        (PAID, ServerSettings(max_message_bytes=10_000_000), {}),
        (FREE, ServerSettings(max_message_bytes=10_000_000), {"server.maxMessageBytes": "1000000"}),
        (PAID, ServerSettings(max_message_bytes=60_000_000), {"server.maxMessageBytes": "50000000"}),
        (PAID, ServerSettings(max_batch_bytes=200_000_000), {"server.maxBatchBytes": "100000000"}),
        (FREE, ServerSettings(max_batch_items=2000), {"server.maxBatchItems": "1000"}),
        (PAID, ServerSettings(max_batch_items=2000), {}),
        (PAID, ServerSettings(log_retention_s=30 * 86400.0), {"server.logRetention": "14d"}),
        (ServerFacts(server_id="embedded"), ServerSettings(log_retention_s=30 * 86400.0), {}),
    ],
)
def test_only_what_is_too_much_is_suggested(
    facts: ServerFacts, settings: ServerSettings, suggested: dict[str, str]
) -> None:
    assert {one.setting: one.value for one in fitting_settings(facts, settings)} == suggested
