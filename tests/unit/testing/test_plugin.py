"""The pytest plugin, in a pytest of its own; the example of docs/testing.md is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "testing.md"


def example() -> tuple[str, str]:
    """(application, its tests)"""
    app, tests, *_ = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return app, tests


def test_the_example_of_the_docs(pytester: pytest.Pytester) -> None:
    app, tests = example()
    pytester.makepyfile(app=app, test_app=tests)
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_flask_with_the_official_sdk(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        app="""
        from flask import Flask
        from upstash_workflow.flask import Serve

        app = Flask(__name__)
        serve = Serve(app)

        @serve.route("/api/onboard")
        def onboard(context):
            payload = context.request_payload
            context.run("create", lambda: f"created {payload['tenant']}")
            context.sleep("a month", 30 * 24 * 3600)
            context.run("remind", lambda: "reminded")
        """,
        test_app="""
        def test_one(workflow_server):
            from app import app

            with workflow_server.serving(app) as url:
                run = workflow_server.trigger(f"{url}/api/onboard", {"tenant": "acme"}).wait()
            assert run.state == "RUN_SUCCESS"
            assert [step.out for step in run.steps if step.type == "Run"] == ["created acme", "reminded"]
        """,
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_it_costs_nothing_when_unused(pytester: pytest.Pytester) -> None:
    """Nothing of the server, nor of what it needs, is imported."""
    pytester.makepyfile(
        """
        import sys

        def test_what_is_loaded(request):
            assert request.config.pluginmanager.has_plugin("wfdeploy")
            ours = {name for name in sys.modules if name.startswith("wfdeploy")}
            assert ours == {"wfdeploy", "wfdeploy.testing", "wfdeploy.testing.plugin"}
            assert not {"starlette", "uvicorn", "httpx", "httptools"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-p", "no:anyio").assert_outcomes(passed=1)


def test_the_address_stays_and_the_runs_do_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest

        SEEN = set()

        @pytest.mark.parametrize("number", range(3))
        def test_one(workflow_server, number):
            assert workflow_server.runs() == []
            workflow_server.trigger("http://127.0.0.1:9/wf", delay="1d")
            assert len(workflow_server.runs()) == 1
            assert os.environ["QSTASH_URL"] == workflow_server.url
            assert workflow_server.environment.items() <= os.environ.items()
            SEEN.add(workflow_server.url)
            assert len(SEEN) == 1

        def test_the_environment_is_as_it_was():
            assert "QSTASH_URL" not in os.environ
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=4)


def test_the_missing_extra_is_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys; sys.modules['starlette'] = None")
    pytester.makepyfile("def test_one(workflow_server): pass")
    ran = pytester.runpytest_subprocess("-p", "no:anyio")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*pip install 'wfdeploy[[]local[]]'*"])


def test_names_are_found_when_they_are_asked_for() -> None:
    program = (
        "import sys, wfdeploy.testing as t; assert 'starlette' not in sys.modules; [getattr(t, n) for n in t.__all__]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
