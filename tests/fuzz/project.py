"""A project to be damaged, and files beside it that nothing in it may lead to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from tests.support.scratch import scratch
from wfdeploy.documents import yaml_docs
from wfdeploy.model.document import SourceFile
from wfdeploy.model.project import Project

CASES = Path(__file__).parents[1] / "cases"
VARIABLES = {
    "app_url": "https://app.example.com", "label": "lbl", "regions": ["eu", "us"], "nothing": None,
    "limits": {"seats": 3},
}  # fmt: skip
CANARY = "TOP-SECRET-OF-ELSEWHERE"


@contextmanager
def project() -> Iterator[Project]:
    """The cases, in a folder of their own, beside a secret that links in it lead to."""
    with scratch() as folder:
        root = folder / "project"
        for name in ("valid", "data", "invalid"):
            shutil.copytree(CASES / name, root / name)
        (folder / "secret.txt").write_text(f"{CANARY}\n")
        (root / ".env").write_text(f"TOKEN={CANARY}\n")
        (root / "valid" / "link").symlink_to(folder / "secret.txt")
        yield Project(root=root, vars=VARIABLES, secrets=("APP_TOKEN",))


def samples(*folders: str) -> list[bytes]:
    """The content of each manifest of the cases."""
    return [
        path.read_bytes()
        for name in folders
        for path in sorted((CASES / name).iterdir())
        if path.suffix in (".yaml", ".yml")
    ]


def values_of(data: bytes) -> list[Any]:
    """The documents of a YAML file, as JSON values."""
    read = yaml_docs.read(SourceFile("f", "f", Path(), data.decode()), [])
    return [json.loads(json.dumps(document.data)) for document in read]


def dumped(value: Any) -> bytes:
    """As YAML in block style; JSON where PyYAML has no words for it."""
    with suppress(yaml.YAMLError, UnicodeEncodeError, RecursionError):
        return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).encode()
    with suppress(RecursionError):
        return json.dumps(value).encode()
    return b"a: 1"
