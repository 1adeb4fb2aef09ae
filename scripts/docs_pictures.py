"""Make the documentation's pictures of what the program really prints and shows: `python -m scripts.docs_pictures`.

A plan in a terminal, the comment on a pull request, and the page of the embedded server, as PNG in `docs/images/`. It
needs Chromium. Whoever changes what is in a picture runs it, and looks at the result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from markdown_it import MarkdownIt
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.browser.conftest import FLAGS, NAMES
from tests.fakes.step_endpoint import StepEndpoint
from wfdeploy.testing import WorkflowServer

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs/images"

_EDITS = {
    "manifests/onboarding.yaml": ("seats: 12", "seats: 20"),
    "manifests/data/customers.csv": ("c-103,", "c-203,"),
}
_TERMINAL = TerminalTheme(
    (255, 255, 255),
    (31, 35, 40),
    [
        (31, 35, 40),
        (207, 34, 46),
        (17, 99, 41),
        (138, 70, 0),
        (9, 105, 218),
        (130, 80, 223),
        (27, 124, 131),
        (89, 99, 110),
    ],
    [
        (89, 99, 110),
        (164, 14, 38),
        (26, 127, 55),
        (99, 60, 1),
        (33, 139, 255),
        (164, 117, 249),
        (49, 146, 170),
        (31, 35, 40),
    ],
)
_FRAME = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #fff; color: #1f2328; font: 14px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { padding: 20px 24px; display: inline-block; box-sizing: border-box; }
.terminal { font: 14px/1.45 "DejaVu Sans Mono", monospace; }
.comment { width: 880px; }
.comment table { border-collapse: collapse; } .comment td, .comment th { border: 1px solid #d1d9e0; padding: 4px 12px; }
.comment code, .comment pre { font: 12px/1.45 "DejaVu Sans Mono", monospace; background: #f0f1f3; border-radius: 6px; }
.comment code { padding: 2px 5px; } .comment pre { padding: 12px; } .comment pre code { padding: 0; }
.comment h2, .comment h3 { border-bottom: 1px solid #d1d9e0; padding-bottom: 6px; }
</style><main class="%s">%s</main>"""


def wfdeploy(folder: Path, *arguments: str) -> str:
    """Run the program in a project; what it printed."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {"COLUMNS": "130", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "wfdeploy", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def project() -> Iterator[Path]:
    """A copy of the examples that was applied, and then edited."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "examples"
        shutil.copytree(ROOT / "manifests", folder / "manifests", ignore=shutil.ignore_patterns(".wfdeploy"))
        shutil.copytree(ROOT / "schemas", folder / "schemas")
        shutil.copyfile(ROOT / "wfdeploy.yaml", folder / "wfdeploy.yaml")
        wfdeploy(folder, "apply", "--local", "--yes")
        for file, (before, after) in _EDITS.items():
            path = folder / file
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(before, after), encoding="utf-8")
        yield folder


def shown(browser: Browser, name: str, kind: str, content: str) -> None:
    """Draw a piece of HTML."""
    page = browser.new_page(viewport={"width": 1300, "height": 600}, device_scale_factor=2)
    page.set_content(_FRAME % (kind, content))
    page.locator("main").screenshot(path=IMAGES / name)
    page.close()


def plan_in_a_terminal(browser: Browser, folder: Path) -> None:
    """A plan as a terminal shows it."""
    console = Console(record=True, file=StringIO(), width=130, force_terminal=True)
    console.print(Text("$ wfdeploy plan --local"))
    console.print(Text.from_ansi(wfdeploy(folder, "plan", "--local", "--color", "always")))
    html = console.export_html(theme=_TERMINAL, inline_styles=True, code_format="<pre style='margin:0'>{code}</pre>")
    shown(browser, "plan-in-a-terminal.png", "terminal", html)


def comment_on_a_pull_request(browser: Browser, folder: Path) -> None:
    """The same plan as a comment."""
    wfdeploy(folder, "plan", "--local", "--report", "markdown=plan.md")
    text = (folder / "plan.md").read_text(encoding="utf-8")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text).replace("<details>", "<details open>")
    shown(browser, "comment-on-a-pull-request.png", "comment", html)


def page_of_a_run(browser: Browser) -> None:
    """A run on the page of the embedded server: parallel steps, and one that waits for an event."""
    with WorkflowServer() as server:
        token = server.environment["QSTASH_TOKEN"]
        endpoint = StepEndpoint(lambda: server.url, token)
        with server.serving(endpoint.wsgi) as url:
            stages = ["run", ["run", "run", "run"], "sleep 90s", "run", "wait approved"]
            run = server.trigger(f"{url}/api/onboard", stages, run_id="onboarding-acme", labels=["onboarding"])
            server.settle()
            server.advance(100)
            server.settle()
            page = browser.new_page(viewport={"width": 1200, "height": 760}, device_scale_factor=2)
            page.goto(f"{server.url}/#/runs/{run.id}")
            page.get_by_text("approved").first.wait_for()
            page.screenshot(path=IMAGES / "page-of-a-run.png")
            page.close()
        endpoint.close()


def main() -> int:
    """Make all pictures. Returns the exit code."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        print("Chromium is needed", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, project() as folder:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        plan_in_a_terminal(browser, folder)
        comment_on_a_pull_request(browser, folder)
        page_of_a_run(browser)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
