"""The script that a team writes first: what wfdeploy is measured against.

PyYAML's safe loader (the one in C), jsonschema with the same schema, rows of CSV and JSON Lines, expressions by string
replacement (before the check, since rows are no safer than manifests), one batch of 100 after the other over one kept
connection, and a JSON file of fingerprints rewritten after each batch, so that a crash loses no more than one batch's
answers. No places in errors, no intents, no listing, no lock, no second look at a lost answer, no matrix.

`--gc-off --save-once` is the fastest such script and not a safe one: a crash loses everything that was sent.
"""

from __future__ import annotations

import argparse
import csv
import gc
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH = 100
SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "manifest.schema.json"

EXPRESSION = re.compile(r"\$\{\{ row\.(\w+) \}\}")

Run = dict[str, Any]


def load(root: Path) -> list[Any]:
    """Every document of every manifest; its runs are checked against the schema once the expressions are replaced."""
    import jsonschema
    import yaml

    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    project = yaml.load((root / "wfdeploy.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    documents = []
    for path in sorted((root / "manifests").rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        for name, value in project["spec"].get("vars", {}).items():
            text = text.replace(f"${{{{ vars.{name} }}}}", value)
        for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
            document["spec"]["runs"] = [run for entry in document["spec"]["runs"] for run in runs_of(entry, path)]
            problems = [error.message for error in validator.iter_errors(document)]
            if problems:
                sys.exit("\n".join(f"{path}: {problem}" for problem in problems))
            documents.append(document)
    return documents


def runs_of(entry: Run, manifest: Path) -> Iterator[Run]:
    """The entry itself, or one run for each row of its file."""
    if "forEach" not in entry:
        yield entry
        return
    template = {name: value for name, value in entry.items() if name != "forEach"}
    for row in rows_of(manifest.parent / entry["forEach"]["file"]):
        yield filled(template, row)


def declared(documents: list[Any]) -> dict[str, Run]:
    """The batch item of every run, by address."""
    items: dict[str, Run] = {}
    for document in documents:
        spec = document["spec"]
        common = {"destination": spec["destination"], **spec.get("defaults", {})}
        for entry in spec["runs"]:
            run = {**common, **entry}
            key = f"[{run['key']}]" if "key" in run else ""
            address = f"{document['metadata']['name']}/{run['name']}{key}"
            if address in items:
                sys.exit(f"{address} is declared twice")
            items[address] = item_of(run["destination"], run)
    return items


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)


def filled(value: Any, row: dict[str, Any]) -> Any:
    """With the row's fields in place of the expressions; one that is alone keeps its type."""
    if isinstance(value, dict):
        return {name: filled(inner, row) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, row) for inner in value]
    if not isinstance(value, str) or "${{" not in value:
        return value
    if alone := EXPRESSION.fullmatch(value):
        return row[alone[1]]
    return EXPRESSION.sub(lambda match: str(row[match[1]]), value)


def item_of(destination: str, run: Run) -> Run:
    """What the API wants of one run, but for its id."""
    headers = {
        "Content-Type": "application/json",
        "Upstash-Method": "POST",
        "Upstash-Workflow-Init": "true",
        "Upstash-Feature-Set": "LazyFetch,InitialBody",
        "Upstash-Retries": str(run.get("retries", 3)),
        "Upstash-Label": ",".join(run.get("labels", ())),
    }
    if "delay" in run:
        headers["Upstash-Delay"] = run["delay"]
    if "retryDelay" in run:
        headers["Upstash-Retry-Delay"] = run["retryDelay"]
    if "flowControl" in run:
        flow = run["flowControl"]
        headers["Upstash-Flow-Control-Key"] = flow["key"]
        limits = {"parallelism": flow.get("parallelism"), "rate": flow.get("rate"), "period": flow.get("period")}
        pairs = (f"{name}={value}" for name, value in limits.items() if value is not None)
        headers["Upstash-Flow-Control-Value"] = ",".join(pairs)
    for name, value in run.get("headers", {}).items():
        headers[f"Upstash-Forward-{name}"] = value
    body = json.dumps(run.get("body"), sort_keys=True, separators=(",", ":"))
    return {"destination": destination, "headers": headers, "body": body}


def fingerprint(item: Run) -> str:
    """What a run does, as a digest."""
    forwarded = {name: value for name, value in item["headers"].items() if name.startswith("Upstash-Forward-")}
    text = json.dumps([item["destination"], forwarded, item["body"]], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def missing(items: dict[str, Run], state: dict[str, Any]) -> list[tuple[str, str, Run]]:
    """The runs that are new or have changed: address, fingerprint, item."""
    found = []
    for address, item in items.items():
        print_ = fingerprint(item)
        if state.get(address, {}).get("fingerprint") != print_:
            found.append((address, print_, item))
    return found


def read_state(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return state


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Replace the file as a whole."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state), encoding="utf-8")
    draft.replace(path)


def batches(wanted: list[tuple[str, str, Run]]) -> Iterator[list[tuple[str, str, Run]]]:
    for start in range(0, len(wanted), BATCH):
        yield wanted[start : start + BATCH]


def send(url: str, wanted: list[tuple[str, str, Run]], state: dict[str, Any], state_file: Path | None) -> None:
    """Batch after batch; the state is saved after each where there is a file."""
    import httpx

    with httpx.Client(base_url=url, headers={"Authorization": "Bearer naive"}, timeout=30) as client:
        for batch in batches(wanted):
            for address, print_, item in batch:
                run_id = f"wfr_{hashlib.sha256(address.encode()).hexdigest()[:24]}-{print_[:24]}"
                item["headers"]["Upstash-Workflow-RunId"] = run_id
            response = client.post("/v2/batch/trigger", json=[item for _, _, item in batch])
            response.raise_for_status()
            for (address, print_, item), answer in zip(batch, response.json(), strict=True):
                assert answer["workflowRunId"] == item["headers"]["Upstash-Workflow-RunId"]
                state[address] = {"fingerprint": print_, **answer}
            if state_file is not None:
                save_state(state_file, state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("validate", "plan", "apply"))
    parser.add_argument("root", type=Path)
    parser.add_argument("--url", default="")
    parser.add_argument("--gc-off", action="store_true")
    parser.add_argument("--save-once", action="store_true")
    options = parser.parse_args()
    if options.gc_off:
        gc.disable()
    documents = load(options.root)
    if options.work == "validate":
        print("valid")
        return
    items = declared(documents)
    state_file = options.root / "naive-state.json"
    state = read_state(state_file)
    wanted = missing(items, state)
    if options.work == "plan":
        for address, _, _ in wanted:
            print("+", address)
        print(len(wanted), "to trigger,", len(items) - len(wanted), "unchanged")
        return
    send(options.url, wanted, state, None if options.save_once else state_file)
    if options.save_once:
        save_state(state_file, state)
    print(len(wanted), "triggered")


if __name__ == "__main__":
    main()
