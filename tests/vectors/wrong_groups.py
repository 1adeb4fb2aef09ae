"""What is wrong with names, groups and generators."""

from __future__ import annotations

from tests.vectors.mistakes import (
    OWN,
    Mistake,
    all_of,
    generator,
    group,
    group_twice,
    in_run,
    in_spec,
    moved,
    one_of,
    twice,
)

GROUPS: dict[str, Mistake] = {
    "duplicate-address": twice,
    "duplicate-group": group_twice,
    "duplicate-run-id": group(
        "ids", [{"name": "a", "workflowRunId": "same"}, {"name": "b", "workflowRunId": "wfr_same"}]
    ),
    "derived-run-id": in_run(
        workflowRunId="wfr_own-derived-aaaaaaaaaaaaaaaaaaaaaaaaaa-g1-f1bbbbbbbbbbbbbbbbbbbbbbbbbb"
    ),
    "shared-run-id": one_of(
        generator(forEach={"items": [OWN]}, workflowRunId="one"),
        in_spec(schedule={"cron": "0 * * * *"}, runs=[{"name": "a", "workflowRunId": "one"}]),
    ),
    "bad-address": moved(("no spaces", "moving"), ("a/b/c", "moving/a")),
    "moved-across": moved(("moving/x", "other/y"), ("former", "moving/a")),
    "moved-in-a-circle": moved(("moving/x", "moving/y"), ("moving/y", "moving/x")),
    "moved-onto": moved(("moving/x", "moving/a"), ("moving/y", "moving/a")),
    "moved-onto-itself": moved(("moving/z", "moving/z")),
    "moved-still-declared": moved(("moving/a", "moving/b")),
    "moved-twice": moved(("moving/x", "moving/a"), ("moving/x", "moving/b")),
    "moved-nowhere": moved(("moving/gone", "moving/nowhere")),
    "dependency-cycle": one_of(
        group("itself", dependsOn=[{"group": "itself"}]),
        all_of(group("round-a", dependsOn=[{"group": "round-b"}]), group("round-b", dependsOn=[{"group": "round-a"}])),
    ),
    "repeated-dependency": in_spec(dependsOn=[{"group": "first"}, {"group": "first", "condition": "finished"}]),
    "unknown-group": in_spec(dependsOn=[{"group": "nowhere"}]),
    "bad-cron": one_of(
        *(group("cron", schedule={"cron": text}) for text in ("61 * * * *", "0 0 31 2 *", "0 0 0 * * *", "x", ""))
    ),
    "unknown-timezone": group("zone", schedule={"cron": "0 * * * *", "timezone": "Europe/Berlinn"}),
    "ends-before-start": group(
        "ends", schedule={"cron": "0 * * * *", "startAt": 1796104800, "endAt": "2026-11-01T00:00:00Z"}
    ),
    "history-of-nothing": group("history", history={"keep": 3}),
    "recurring-rollout": group("both", schedule={"cron": "0 * * * *"}, rollout={"steps": [{"count": 1}]}),
    "amount-of-step": group("steps", rollout={"steps": [{}, {"count": 2, "percent": 5}]}),
    "smaller-step": group("smaller", rollout={"steps": [{"count": 5}, {"count": 4}, {"percent": 10}, {"percent": 10}]}),
    "key-of-one": in_run(key="x"),
    "missing-key-field": group("keyless", [{"name": "many", "forEach": {"items": [1, 2]}}]),
    "bad-key": one_of(generator(forEach={"items": [{"id": ""}, {"id": None}, {"id": "x" * 2000}, {"id": [1]}]})),
    "constant-key": generator(forEach={"items": [OWN, {"id": "b"}]}, key="always"),
    "duplicate-key-of-rows": generator(forEach={"items": [OWN, {"id": "b"}, OWN]}),
    "matrix-too-big": group(
        "huge", [{"name": "m", "key": "${{ matrix.a }}", "matrix": {name: list(range(60)) for name in "abc"}}]
    ),
    "empty": group("nothing", [{"name": "m", "key": "x", "matrix": {}}]),
    "unknown-axis": group(
        "axes", [{"name": "m", "key": "${{ matrix.a }}", "matrix": {"a": [1, 2], "exclude": [{"b": 1}]}}]
    ),
    "axis-empty": group("axes", [{"name": "m", "key": "${{ matrix.a }}", "matrix": {"a": [], "include": [{"a": 1}]}}]),
    "not-a-list": one_of(
        generator(forEach={"items": "${{ vars.region }}"}),
        group("axis", [{"name": "m", "key": "${{ matrix.a }}", "matrix": {"a": "${{ vars.limits }}"}}]),
    ),
    "not-a-mapping": group(
        "include", [{"name": "m", "key": "x${{ matrix.a }}", "matrix": {"a": [1], "include": ["${{ vars.region }}"]}}]
    ),
    "no-rows": generator(forEach={"items": []}),
    "include-of-texts": group(
        "include", [{"name": "m", "key": "x${{ matrix.a }}", "matrix": {"a": [1], "include": "${{ vars.regions }}"}}]
    ),
}
