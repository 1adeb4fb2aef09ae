"""What is wrong in one run, or in its defaults."""

from __future__ import annotations

from tests.vectors.mistakes import (
    BIG,
    OWN,
    Mistake,
    a_group,
    all_of,
    body,
    generator,
    in_defaults,
    in_either,
    in_run,
    in_spec,
    nameless,
    no_destination,
    one_of,
    payload,
)
from tests.vectors.writing import Raw

FIELDS: dict[str, Mistake] = {
    "unknown-field": one_of(
        in_run(retires=3),
        in_defaults(retires=3),
        in_spec(destinaton="x"),
        in_run(foreach={}),
        in_spec(policies={}),
        in_run(flowControl={"key": "k", "rat": 3}),
        in_run(redact={"bodies": True}),
        generator(forEach={"item": [OWN]}),
    ),
    "wrong-type": one_of(
        in_either(retries="many"),
        in_either(labels=[1]),
        in_either(labels="a"),
        in_either(headers=["a"]),
        in_spec(runs={"a": 1}),
        in_spec(destination=12),
        in_either(delay=True),
        in_spec(defaults=[]),
        in_run(name=12),
        in_run(body=Raw("!!binary a")),
        lambda rng, project: a_group(rng, project)["spec"]["runs"].append("text"),
        in_spec(dependsOn="x"),
        in_spec(policy=3),
    ),
    "missing-field": one_of(
        nameless,
        in_spec(schedule={"timezone": "UTC"}),
        in_spec(moved=[{"from": "a"}]),
        in_run(flowControl={"parallelism": 2}),
        generator(forEach={"items": [OWN]}, key=None),
        in_spec(rollout={}),
    ),
    "bad-form": one_of(
        in_run(name="white space"),
        in_run(name="-dash"),
        in_either(delay="soon"),
        in_either(timeout="1 hour"),
        in_run(workflowRunId="not an id"),
        lambda rng, project: a_group(rng, project)["metadata"].update(name="Bad_Name"),
        in_run(name="größe"),
        in_either(notBefore="tomorrow"),
        in_spec(rollout={"steps": [{"count": 1}], "maxFailures": "a few"}),
        in_spec(rollout={"steps": []}),
        in_run(matrix={"size": "eu"}, key="${{ matrix.size }}"),
    ),
    "not-allowed": one_of(
        in_spec(policy={"onChange": "retriger"}),
        in_spec(policy={"onRemove": 3}),
        in_spec(identity={"include": ["body"]}),
        generator(forEach={"items": [OWN], "onBadRow": "ignore"}),
        in_spec(dependsOn=[{"group": "x", "condition": "done"}]),
    ),
    "too-large": one_of(in_either(retries=1001), in_either(delay=10**10), in_either(timeout=10**9)),
    "too-small": one_of(
        in_either(retries=-1),
        in_either(timeout=0),
        in_either(timeout="0s"),
        in_spec(history={"keep": 0}),
        in_run(flowControl={"key": "k", "rate": 0}),
    ),
    "bad-header-name": one_of(
        in_either(headers={"X Bad": "1"}),
        in_either(headers={"X-Grün": "1"}),
        in_either(redact={"headers": ["a b"]}),
        in_either(failureHeaders={"": "1"}),
    ),
    "bad-header-value": one_of(
        in_either(headers={"X-Lines": "a\nb"}), in_either(headers={"X-G": "größe 東京"}), in_either(contentType="a/b\n")
    ),
    "duplicate-header": one_of(
        in_either(headers={"X-A": "1", "x-a": "2"}), in_either(failureHeaders={"X-A": "1", "x-a": "2"})
    ),
    "reserved-header": in_either(headers={"Upstash-Delay": "1", "Content-Length": "3"}),
    "reserved-header-2": in_either(
        headers={"content-type": "a/b", "Host": "x", "Connection": "close", "Keep-Alive": "1"}
    ),
    "bad-content-type": in_either(contentType="json"),
    "bad-label": one_of(
        in_either(labels=["not fine"]), in_run(flowControl={"key": "k k", "rate": 1}), in_either(labels=["größe"])
    ),
    "reserved-label": one_of(
        in_either(labels=["wfdeploy.x"]),
        in_either(labels=["aaaaaaaaaaaaaaaaaaaaaaaaaa-g1-f1bbbbbbbbbbbbbbbbbbbbbbbbbb"]),
    ),
    "secret-not-allowed": one_of(
        in_either(labels=["${{ secrets.APP_TOKEN }}"]),
        in_run(flowControl={"key": "${{ secrets.APP_TOKEN }}", "rate": 1}),
        generator(forEach={"items": [OWN]}, key="${{ secrets.APP_TOKEN }}"),
    ),
    "no-limit": in_either(flowControl={"key": "k"}),
    "period-without-rate": in_either(flowControl={"key": "k", "parallelism": 1, "period": "1m"}),
    "bad-period": in_either(flowControl={"key": "k", "rate": 1, "period": "8d"}),
    "bad-retry-delay": one_of(
        *(
            in_either(retryDelay=text)
            for text in (
                "2 ** retried",
                "retires",
                "power(2)",
                "pow(1)",
                "(1",
                "__import__('os')",
                "",
                "1 +",
                "retried retried",
            )
        )
    ),
    "delay-and-not-before": one_of(
        in_run(delay="1s", notBefore=1796104800), in_defaults(delay="1s", notBefore=1796104800)
    ),
    "bad-time": one_of(
        in_either(notBefore="2026-13-01T00:00:00Z"),
        in_either(notBefore="2026-02-30T00:00:00Z"),
        in_spec(schedule={"cron": "0 * * * *", "startAt": "2026-13-01T00:00:00Z"}),
    ),
    "bad-url": one_of(
        *(
            in_run(destination=url)
            for url in (
                "/relative",
                "ftp://a.example.com",
                "https://a b",
                "https:///wf",
                "https://a:99999",
                "https://a/{{ x }}",
                "https://a/ö",
                "https://a/#f",
                "https://${{ vars.nothing }}/x",
            )
        ),
        in_either(failureUrl="ops"),
        in_spec(destination="a.example.com"),
    ),
    "insecure-destination": one_of(
        in_run(destination="http://app.example.com"), in_spec(destination="http://app.example.com")
    ),
    "credentials-in-url": in_run(destination="https://u:p@app.example.com"),
    "secret-in-host": in_run(destination="https://${{ secrets.APP_TOKEN }}.example.com/wf"),
    "no-destination": no_destination,
    "two-bodies": one_of(
        in_run(body=1, bodyText="x"), in_defaults(body=1, bodyText="x"), in_run(bodyText="x", bodyFile="y")
    ),
    "body-file-missing": one_of(in_run(bodyFile="nowhere.json"), in_run(bodyFile=".")),
    "body-file-outside": one_of(
        in_run(bodyFile="/etc/passwd"), in_run(bodyFile="../../../x"), in_run(bodyFile="../.git/config")
    ),
    "body-file-not-utf8": all_of(
        payload("latin.txt", b"gr\xfc\xdfe"), in_run(bodyFile="../payloads/latin.txt", body=None, bodyText=None)
    ),
    "body-file": in_run(bodyFile="../payloads", body=None, bodyText=None),
    "message-too-big": one_of(
        in_run(body=BIG, bodyText=None, bodyFile=None), in_run(bodyText=BIG, body=None, bodyFile=None)
    ),
    "message-too-big-2": in_run(body=["${{ vars.region * 1 ~ '%s' }}" % ("y" * 100)] * 3, bodyText=None, bodyFile=None),
    "not-a-json-number": one_of(
        *(
            in_run(body={"n": Raw(text)}, bodyText=None, bodyFile=None)
            for text in ("9007199254740992", "-9007199254740993", ".nan", "-.inf", "1e400")
        )
    ),
    "number-too-long": body(f"        n: {'9' * 5000}\n"),
    "undefined-variable": one_of(
        in_run(body="${{ vars.nope }}"),
        in_either(headers={"X-A": "${{ vars.limits.nope }}"}),
        in_spec(destination="https://${{ vars.nope }}/x"),
        in_either(labels=["${{ vars.lable }}"]),
    ),
    "undefined-secret": in_either(headers={"X-A": "${{ secrets.APP_TOKEM }}"}),
    "undefined-name": one_of(
        in_run(body={"a": "${{ row }}"}),
        in_run(body="${{ matrix.x }} ${{ schedule.time }}"),
        in_defaults(headers={"X-A": "${{ nothing | upper }}"}),
    ),
    "undefined-field": one_of(
        generator(forEach={"items": [OWN, {"id": "b"}]}, body="${{ row.mail }}"),
        generator(forEach={"items": [OWN]}, key="${{ row.idd }}"),
        in_run(body="${{ vars.tenants[7] }}"),
    ),
    "bad-expression": one_of(
        *(
            in_run(body={"deep": [text]}, bodyText=None, bodyFile=None)
            for text in (
                "${{ vars.regions }} text",
                "${{ vars.region",
                "${{ }}",
                "${{ vars }}",
                "${{ vars.seats.upper() }}",
                "${{ vars.region | shout }}",
                "${{ 'a' * 1000 }}",
                "${{ 1 / 0 }}",
                "${{ vars.seats + 'a' }}",
                "${{ for x }}",
                "${{ 10 ** 10000 }}",
                "${{ vars.limits < 3 }}",
                "${{ vars.region | int }}",
                "${{ vars.region[9999] }}",
            )
        )
    ),
    "expression-in-key": in_run(body={"${{ vars.region }}": 1}, bodyText=None, bodyFile=None),
    "secret-in-expression": one_of(
        in_run(body="${{ secrets.APP_TOKEN | upper }}"), in_run(body=["${{ [secrets.APP_TOKEN] }}"])
    ),
}
