"""The page as a person uses it, in a real browser, with runs of a real endpoint."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.browser.conftest import Looker, Looks
from tests.support.local_server import LocalServer


def test_the_empty_page_says_what_to_do_next(looker: Looker) -> None:
    looker.open("")
    expect(looker.page).to_have_title("Runs · wfdeploy dev")
    expect(looker.page.get_by_role("heading", name="No runs yet")).to_be_visible()
    expect(looker.body("Apply command")).to_have_text("wfdeploy apply --local")
    exports = looker.body("Shell exports").inner_text()
    assert f"export QSTASH_URL='{looker.server.url}'" in exports
    assert looker.server.token in exports
    looker.page.get_by_role("button", name="Start a demo run").click()
    expect(looker.page.get_by_role("status").get_by_text("Started a demo run:")).to_be_visible()
    looker.page.get_by_role("status").get_by_role("link").click()
    expect(looker.page.get_by_text("Succeeded")).to_be_visible()
    for name in ("prepare", "pause", "complete"):
        expect(looker.page.locator(".step-name", has_text=name)).to_be_visible()


def test_runs_are_filtered_by_state_label_url_and_id(looker: Looker) -> None:
    looker.trigger("wfr_sales", Upstash_Label="nightly,sales")
    looker.trigger("wfr_mail", path="mail", Upstash_Label="nightly")
    looker.fail("wfr_broken", path="mail", Upstash_Label="billing")
    looker.server.wait_all_ended()
    page = looker.page
    looker.open()
    names = page.locator("tbody .id")
    expect(names).to_have_text(["wfr_broken", "wfr_mail", "wfr_sales"])

    page.get_by_role("radio", name="Failed").check(force=True)
    expect(names).to_have_text(["wfr_broken"])
    assert page.url.endswith("#/runs?state=RUN_FAILED")
    page.get_by_role("radio", name="All").check(force=True)

    search = page.get_by_role("searchbox")
    for piece, found in [("MAIL", ["wfr_broken", "wfr_mail"]), ("wfr_sal", ["wfr_sales"]), ("bill", ["wfr_broken"])]:
        search.fill(piece)
        expect(names).to_have_text(found)
    search.fill("%")  # no wildcard
    expect(page.get_by_role("heading", name="No run matches")).to_be_visible()
    search.fill("")
    expect(names).to_have_count(3)

    page.get_by_role("link", name="nightly", exact=True).first.click()
    expect(names).to_have_text(["wfr_mail", "wfr_sales"])
    page.locator("tbody .url").first.click()
    expect(names).to_have_text(["wfr_mail"])
    page.get_by_role("link", name="Remove the filter label nightly").click()
    expect(names).to_have_text(["wfr_broken", "wfr_mail"])
    page.go_back()
    expect(names).to_have_text(["wfr_mail"])


def test_a_run_shows_its_steps_input_and_result(looker: Looker) -> None:
    looker.trigger("wfr_a", '{"tenant": "acmé"}', Upstash_Label="onboarding", Upstash_Forward_X_Team="growth")
    looker.server.wait_all_ended()
    page = looker.page
    looker.open()
    page.get_by_role("link", name="wfr_a").click()
    expect(page.get_by_role("heading", name="wfr_a", level=1)).to_be_focused()
    expect(page.get_by_text("Succeeded")).to_be_visible()
    expect(looker.body("Input")).to_contain_text('"tenant": "acmé"')
    expect(looker.body("Result")).to_contain_text('"demo": "done"')
    steps = page.locator(".step > details > summary")
    expect(steps).to_have_text([re.compile("prepare.*ms"), re.compile("pause.*sleep.*s$"), re.compile("complete.*ms")])
    # The sleep of a second is most of the run, and so of the scale.
    shares = [page.locator(".track").nth(at).evaluate(_SHARE) for at in range(3)]
    assert shares[1] == max(shares)
    assert shares[1] > 0.5
    steps.nth(0).click()
    expect(looker.body("Output")).to_have_text('"prepared"')
    page.get_by_text("Forwarded headers").click()
    expect(page.get_by_text("growth", exact=True)).to_be_visible()


_SHARE = "track => track.querySelector('.bar').getBoundingClientRect().width / track.getBoundingClientRect().width"


def test_changes_arrive_without_a_reload(looker: Looker) -> None:
    looker.open()
    page = looker.page
    page.evaluate("window.untouched = true")
    looker.server.faults.hold_deliveries = True
    looker.trigger("wfr_live")
    row = page.locator("tbody tr", has_text="wfr_live")
    expect(row).to_contain_text("In progress")
    expect(page.get_by_role("link", name="Runs 1 in progress")).to_be_visible()
    looker.server.faults.hold_deliveries = False
    looker.server.poke()
    expect(row).to_contain_text("Succeeded")
    expect(row).to_contain_text("3 steps")
    page.get_by_role("button", name="Pause").click()
    looker.trigger("wfr_later")
    looker.server.wait_all_ended()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    assert looker.ids() == ["wfr_live"]
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("tbody .id")).to_have_text(["wfr_later", "wfr_live"])
    assert page.evaluate("window.untouched") is True


def test_a_failed_run_tells_why_and_is_resumed(looker: Looker) -> None:
    looker.fail("wfr_f", Upstash_Label="billing")
    page = looker.page
    looker.open("#/runs/wfr_f")
    expect(page.get_by_role("heading", name="the endpoint answered with a non-retryable error")).to_be_visible()
    expect(looker.body("Endpoint response")).to_have_text("Error: the payload requested a failure")
    page.get_by_role("link", name=re.compile("Dead letters")).click()
    page.get_by_role("button", name="Resume wfr_f").click()
    link = page.get_by_role("status").get_by_role("link")
    new_id = link.inner_text()
    assert new_id != "wfr_f"
    link.click()
    expect(page.get_by_role("heading", name=new_id)).to_be_visible()
    assert [run.run_id for run in looker.server.accepted()] == ["wfr_f", new_id]
    # It fails again, as its payload says; the step done by the first run was not done again.
    looker.server.wait_ended(new_id)
    expect(page.get_by_text("Failed", exact=True)).to_be_visible()
    expect(page.locator(".step", has_text="prepare")).to_contain_text("previous run")


def test_many_dead_letters_at_once(looker: Looker) -> None:
    for name in "abcd":
        looker.fail(f"wfr_{name}")
    page = looker.page
    looker.open("#/dead-letters")
    names = page.locator("tbody .id")
    expect(names).to_have_text(["wfr_d", "wfr_c", "wfr_b", "wfr_a"])
    search = page.get_by_role("searchbox")
    search.fill("r_c")
    expect(names).to_have_text(["wfr_c"])
    search.fill("nothing")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    search.fill("")
    expect(names).to_have_count(4)
    page.get_by_label("Select wfr_d").check()
    page.get_by_label("Select wfr_c").check()
    page.get_by_role("button", name="Delete selected").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(names).to_have_count(4)
    page.get_by_role("button", name="Delete selected").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(names).to_have_text(["wfr_b", "wfr_a"])
    looker.server.faults.hold_deliveries = True
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Restart selected").click()
    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    assert len(looker.server.accepted()) == 6


def test_a_run_in_progress_is_cancelled_after_a_question(looker: Looker) -> None:
    looker.trigger("wfr_a", Upstash_Delay="1h")
    page = looker.page
    looker.open("#/runs/wfr_a")
    expect(page.get_by_text("Delayed until")).to_be_visible()
    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert looker.server.accepted("wfr_a")[0].state == "RUN_STARTED"
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    assert looker.server.accepted("wfr_a")[0].state == "RUN_CANCELED"


def test_flow_control_keys_and_their_queues(looker: Looker) -> None:
    assert looker.api.post("/v2/flowControl/mail/pause").status_code == 200
    for name in "abc":
        looker.trigger(
            f"wfr_{name}", Upstash_Flow_Control_Key="mail", Upstash_Flow_Control_Value="parallelism=2,rate=50,period=1m"
        )
    page = looker.page
    looker.open("#/flow")
    row = page.locator("tbody tr", has_text="mail")
    expect(row).to_contain_text("Paused")
    expect(row.locator(".at-waiting")).to_contain_text("3")
    expect(row).to_contain_text("0 of 2")
    page.get_by_role("link", name="mail").click()
    expect(page.locator("tbody .id")).to_have_text(["wfr_a", "wfr_b", "wfr_c"])
    page.get_by_text("Override limits").click()
    page.get_by_label("Parallelism").fill("7")
    page.get_by_role("button", name="Pin").click()
    expect(page.get_by_text("0 of 7")).to_be_visible()
    expect(page.get_by_text("Pinned", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume mail").click()
    expect(page.get_by_text("The queue is empty.")).to_be_visible()
    looker.server.wait_all_ended()


def test_a_waiting_run_is_told_of_its_event(looker: Looker) -> None:
    looker.server.faults.hold_deliveries = True
    looker.trigger("wfr_a")
    step = {"stepId": 1, "stepName": "approval", "stepType": "Wait", "concurrent": 1}
    body = {"timeout": "1h", "step": step}
    looker.api.post("/v2/wait/order-1", json=body, headers={"Upstash-Workflow-RunId": "wfr_a"}).raise_for_status()
    page = looker.page
    looker.open("#/runs/wfr_a")
    step_row = page.locator(".step", has_text="approval")
    expect(step_row).to_contain_text("order-1, times out in 59 m")
    step_row.locator("summary").first.click()
    page.get_by_label("Event data").fill('{"approved": true}')
    page.get_by_role("button", name="Notify").click()
    expect(looker.body("Output")).to_contain_text('"approved": true')


def test_redacted_bodies_and_headers_stay_so(looker: Looker) -> None:
    looker.trigger("wfr_a", '{"card": "4111"}', Upstash_Redact_Fields="body,header", Upstash_Forward_X_Key="hush")
    looker.server.wait_all_ended()
    looker.open("#/runs/wfr_a")
    looker.page.locator("summary", has_text="prepare").click()
    expect(looker.page.get_by_text("Redacted; its SHA-256 begins with")).to_have_count(3)  # input, result, output
    content = looker.page.content()
    assert "4111" not in content
    assert "hush" not in content


EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&\u202e"


def test_hostile_text_is_shown_and_does_nothing(looker: Looker) -> None:
    looker.trigger(
        "wfr_evil",
        f'{{"fail": true, "x": {json.dumps(EVIL)}}}',
        Upstash_Flow_Control_Key="key",
        Upstash_Flow_Control_Value="parallelism=1",
        Upstash_Forward_X_Evil="<u>header</u>",
    )
    looker.server.wait_ended("wfr_evil")
    looker.server.faults.hold_deliveries = True
    looker.trigger("wfr_steps", path="</script><script>alert(1)</script>")
    for number, name in enumerate([EVIL, {"type": "script", "props": {}, "constructor": None}, ["a"]], start=1):
        step = {"stepId": number, "stepName": name, "stepType": "constructor", "concurrent": 1, "out": EVIL}
        headers = {"Upstash-Workflow-RunId": "wfr_steps", "Upstash-Workflow-Init": "false"}
        item = {"destination": looker.server.demo_url, "headers": headers, "body": json.dumps(step)}
        looker.api.post("/v2/batch", json=[item]).raise_for_status()
    page = looker.page
    for place in ("#/runs", "#/runs/wfr_evil", "#/dead-letters", "#/flow", "#/runs/wfr_steps", "#/runs?q=<svg>"):
        looker.open(place)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("Loading")).to_have_count(0)
        for element in ("main img", "main script", "main b:not(.axis b)", "main i", "main u"):
            expect(page.locator(element)).to_have_count(0)
        assert "wfdeploy dev" in page.title()
    looker.open("#/runs/wfr_steps")
    expect(page.locator(".step")).to_have_count(7)  # those three, and four deliveries that are held
    for summary in page.locator(".step summary").all():
        summary.click()
    expect(page.get_by_text("<img src=x")).to_have_count(4)  # a step's name, three outputs
    expect(page.locator("main img, main script")).to_have_count(0)
    expect(page.get_by_role("heading", name="This cannot be shown")).to_have_count(0)


def test_no_other_page_of_this_machine_sees_any_of_it(looker: Looker) -> None:
    """Not an application under development either: as an image, a script, a frame, an answer to a request."""
    page, url = looker.page, looker.server.url
    assert looker.server.demo_url is not None
    page.goto(looker.server.demo_url)
    assert page.evaluate(_INTRUDE, [url, looker.server.token]) == []
    assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
    page.close()
    looker.requested.clear()
    looker.trouble.clear()  # the browser says what it refused


_INTRUDE = """
async ([url, token]) => {
  const load = (name, src) => new Promise((end) => {
    const element = Object.assign(document.createElement(name), { src });
    element.onload = () => end(name);
    element.onerror = () => end(null);
    document.body.append(element);
  });
  const ended = await Promise.allSettled([
    load("img", `${url}/-/assets/icon.svg`),
    load("script", `${url}/-/assets/html.js`),
    load("iframe", `${url}/`).then(() => null), // what is refused loads too, as an error
    fetch(`${url}/-/runs?qstash_token=${token}`).then(() => "an answer"),
  ]);
  return ended.map(({ value }) => value).filter(Boolean);
}
"""


def test_all_of_it_by_keyboard(looker: Looker) -> None:
    looker.fail("wfr_f")
    page = looker.page
    looker.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("wfr_f")
    expect(page.locator("tbody .id")).to_have_text(["wfr_f"])
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="wfr_f")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="wfr_f")).to_be_focused()
    _tab_to(looker, "summary", "prepare")
    page.keyboard.press("Enter")
    expect(looker.body("Output")).to_be_visible()
    page.get_by_role("heading", level=1).focus()
    _tab_to(looker, "button", "Resume")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Resumed as this new run.")).to_be_visible()
    assert len(looker.server.accepted()) == 2


def _tab_to(looker: Looker, element: str, text: str) -> None:
    for _ in range(30):
        looker.page.keyboard.press("Tab")
        focused = looker.page.locator(f"{element}:focus")
        if focused.count() and text in focused.inner_text():
            return
    pytest.fail(f"no {element} {text!r} comes by Tab")


def test_only_a_page_of_many_runs_is_drawn(looker: Looker) -> None:
    looker.server.faults.instant_finish = True
    for first in range(0, 130, 65):
        items = [
            {
                "destination": "http://127.0.0.1:9/x",
                "headers": {"Upstash-Workflow-RunId": f"wfr_{index:03d}"},
                "body": "",
            }
            for index in range(first, first + 65)
        ]
        assert looker.api.post("/v2/batch/trigger", json=items).status_code == 201
    page = looker.page
    looker.open()
    names = page.locator("tbody .id")
    expect(names).to_have_count(50)
    expect(names.first).to_have_text("wfr_129")
    page.get_by_role("link", name="Older").click()
    expect(names.first).to_have_text("wfr_079")
    looker.trigger("wfr_new")
    expect(names.first).to_have_text("wfr_079")
    page.get_by_role("link", name="Older").click()
    expect(names).to_have_count(30)
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    page.get_by_role("link", name="Newest").click()
    expect(names.first).to_have_text("wfr_new")


def test_a_stopped_server_is_told_and_found_again(looker: Looker) -> None:
    looker.open()
    port = int(looker.server.url.rpartition(":")[2])
    looker.server.stop()
    expect(looker.page.get_by_text("Disconnected")).to_be_visible()
    looker.trouble.clear()  # Chromium says that it cannot connect
    with LocalServer(port=port):
        # Another database: the page begins anew.
        expect(looker.page.get_by_text("Live", exact=True)).to_be_visible()
    looker.page.close()
    looker.trouble[:] = [each for each in looker.trouble if "ERR_" not in each]


PLACES = ("#/runs", "#/runs/wfr_f", "#/runs/wfr_ok", "#/dead-letters", "#/flow", "#/flow/mail", "#/runs?q=zzz", "#/x")

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@pytest.mark.parametrize(
    "looks",
    [Looks(), Looks(scheme="dark"), Looks(390, 844), Looks(320, 640, "dark")],
    ids=("light", "dark", "phone", "small"),
)
def test_nothing_sticks_out_or_shuts_out(looker: Looker) -> None:
    """No sideways scrolling at any width; axe finds nothing against WCAG 2.2 AA, contrast included."""
    page, problems = looker.page, []
    looker.open()
    problems += _problems(looker, "the empty page")
    flow = {"Upstash_Flow_Control_Key": "mail", "Upstash_Flow_Control_Value": "parallelism=2,rate=90,period=1m"}
    looker.trigger("wfr_ok", Upstash_Label=",".join(f"label-{number}" for number in range(6)), **flow)
    looker.fail("wfr_f", path="a-rather-long-path/" * 8)
    looker.trigger("wfr_" + "x" * 120, Upstash_Delay="1h", **flow)
    looker.server.wait_ended("wfr_ok")
    for place in PLACES:
        looker.open(place)
        expect(page.get_by_text("Loading")).to_have_count(0)
        for summary in page.locator("main summary").all():
            summary.click()
        problems += _problems(looker, place)
    assert not problems, "\n\n".join(problems)


def _problems(looker: Looker, place: str) -> list[str]:
    looker.page.evaluate("scrollTo(0, 0)")  # the bar lies over what is scrolled past
    found = Axe().run(looker.page, options={"runOnly": list(RULES), "resultTypes": ["violations"]})
    told = [
        f"{place}: {rule['help']}: {node['html']}: {node['failureSummary']}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]
    excess = looker.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return told + ([f"{place}: {excess} pixels too wide"] if excess > 0 else [])
