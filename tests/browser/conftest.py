"""A headless Chromium, an embedded server with its demo workflow, and what the page may never do.

The browser is the system's (Debian: `apt-get install chromium`), found on the PATH; without one these tests are
skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, expect, sync_playwright

from tests.support.local_server import LocalServer

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE_MS = 10_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """For no longer than a module: Playwright keeps the thread's event loop, and tests elsewhere run their own."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("there is no Chromium on the PATH: the page was not looked at")
    with sync_playwright() as playwright:
        # Playwright makes a new user-data-dir for each launch, in here.
        home = tmp_path_factory.mktemp("chromium")
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=list(FLAGS), env={"HOME": str(home), "TMPDIR": str(home)}
            )
        except Error as error:
            pytest.skip(f"{program} does not start: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(demo=True) as running:
        yield running


@dataclass
class Looker:
    """A person in front of the page."""

    server: LocalServer
    page: Page
    api: httpx.Client
    requested: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    """What the console and uncaught errors said."""

    def open(self, place: str = "#/runs") -> None:
        self.page.goto(f"{self.server.url}/{place}")
        self.page.get_by_text("Live", exact=True).wait_for()

    def trigger(self, run_id: str, body: str = "{}", path: str = "report", **options: str) -> None:
        """A run of the demo workflow; keywords become headers: `Upstash_Label="x"`."""
        headers = {name.replace("_", "-"): value for name, value in options.items()}
        item = {
            "destination": f"{self.server.demo_url}/demo/{path}",
            "headers": {**headers, "Upstash-Workflow-RunId": run_id},
            "body": body,
        }
        answer = self.api.post("/v2/batch/trigger", json=[item])
        assert answer.status_code == 201, answer.text

    def fail(self, run_id: str, **options: str) -> None:
        """A run that failed."""
        self.trigger(run_id, '{"fail": true}', **options)
        assert self.server.wait_ended(run_id).state == "RUN_FAILED"

    def body(self, name: str) -> Locator:
        """A text that is shown as it is: an input, an output, a command."""
        return self.page.locator(f"pre[aria-label='{name}']")

    def ids(self) -> list[str]:
        """The runs in the list that is shown."""
        return self.page.locator("tbody .id").all_inner_texts()


@dataclass(frozen=True)
class Looks:
    """How the page is looked at."""

    width: int = 1200
    height: int = 800
    scheme: str = "light"


@pytest.fixture
def looks() -> Looks:
    """Overridden by tests that look at it in another way."""
    return Looks()


@pytest.fixture
def looker(browser: Browser, server: LocalServer, looks: Looks) -> Iterator[Looker]:
    """Fails the test when anything but this server was asked for, or the console says anything."""
    options: dict[str, Any] = {"color_scheme": looks.scheme}
    context: BrowserContext = browser.new_context(
        viewport={"width": looks.width, "height": looks.height}, locale="en-GB", timezone_id="UTC", **options
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=10) as api:
        it = Looker(server, page, api)

        def note(message: ConsoleMessage) -> None:
            it.trouble.append(f"{message.type}: {message.text}")

        page.on("request", lambda request: it.requested.append(request.url))
        page.on("console", note)
        page.on("pageerror", lambda error: it.trouble.append(str(error)))
        yield it
        context.close()
    assert it.trouble == []
    assert [url for url in it.requested if not url.startswith(server.url + "/")] == []
