"""The settings of a delivery: written, read, inherited."""

from __future__ import annotations

from wfdeploy.localserver.store.records import DeliverySettings


def test_settings_survive_the_database() -> None:
    said = DeliverySettings(
        headers={"X": "1"}, retries=0, retry_delay="5", must_be_workflow=True, failure_url="http://f"
    )
    assert DeliverySettings.from_json(said.to_json()) == said
    assert DeliverySettings().to_json() == "{}"


def test_submission_inherits_from_its_run() -> None:
    run = DeliverySettings(headers={"A": "1"}, retries=5, failure_url="http://f", must_be_workflow=True)
    own = DeliverySettings(headers={"B": "2"}, retries=0)
    both = own.over(run)
    assert both.headers == {"A": "1", "B": "2"}
    assert (both.retries, both.failure_url, both.must_be_workflow) == (0, "http://f", True)
