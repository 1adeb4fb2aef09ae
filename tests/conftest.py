"""What the whole suite shares: golden files, and how properties are tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.shared_values import snapshot

# How long an example takes says something about the machine and its other work, and nothing about the product.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def _state_of_no_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What would go to the user's state directory goes to one of the session's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_demo_port() -> Iterator[None]:
    """The demo workflow's usual port differs between processes that test side by side: it is part of what runs are."""
    with pytest.MonkeyPatch.context() as patch:
        # Below the ports that Linux picks by itself (32768 and up), one of which may be taken meanwhile.
        patch.setattr("wfdeploy.wiring.embedded.USUAL_DEMO_PORT", 20_000 + os.getpid() % 10_000)
        yield


HERE = Path(__file__).parent
SLOW = (
    "adversary", "architecture/test_benchmarks.py", "browser", "cli", "conformance", "crash", "e2e", "faults", "fuzz",
    "proof", "sharedlog", "unit/localserver/test_memory.py", "unit/sharedlog/test_log.py",
    "unit/state/shared/test_migration.py", "unit/state/shared/test_replica.py", "vectors",
)  # fmt: skip
"""Folders and files whose tests run whole commands, kill them, or search: most of the time that all tests take."""

FIRST_LOOK = ("e2e/test_apply.py",)
"""Files of these that are part of a first look all the same."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `-m "not slow"` leaves out."""
    for item in items:
        path = item.path.relative_to(HERE)
        if {path.parts[0], path.as_posix()} & set(SLOW) and path.as_posix() not in FIRST_LOOK:
            item.add_marker("slow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files; review them in the diff")


@pytest.fixture(scope="module", autouse=True)
def _shared_values_stay_as_they_are(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the module whose tests change a list or mapping that they share: the next one would see it."""
    before = snapshot(request.module)
    yield
    after = snapshot(request.module)
    changed = sorted(name for name in before if before[name] != after.get(name))
    assert not changed, f"tests changed what they share: {', '.join(changed)}"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with a golden file; with `--update-golden`, write the file instead."""

    def compare(path: Path, actual: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual, encoding="utf-8", newline="")
        expected = path.read_bytes().decode() if path.exists() else None
        assert actual == expected, f"{path} differs; if that is meant: pytest --update-golden"

    return compare
