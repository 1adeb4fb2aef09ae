"""Manifests into runs and expressions into values, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from wfdeploy.documents import yaml_docs
from wfdeploy.documents.positions import diagnose
from wfdeploy.manifests.expand.expressions import evaluate
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.manifests.expand.references import References
from wfdeploy.manifests.expand.runs import expand
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import SourceFile
from wfdeploy.model.run import DeclaredRun

VARIABLES = {"url": "https://app.example.com", "regions": ["eu", "us"], "tenants": [{"id": "a"}, {"id": "b"}]}


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a manifest came to. `told`: its diagnostics as `file:line code`."""

    runs: list[tuple[int, DeclaredRun]]
    diagnostics: list[Diagnostic]
    files: dict[str, str]

    @property
    def addresses(self) -> list[str]:
        return [run.address for _, run in self.runs]

    @property
    def keys(self) -> list[str]:
        return [address.partition("[")[2][:-1] for address in self.addresses]

    @property
    def bodies(self) -> list[object]:
        return [run.request.body.value for _, run in self.runs]

    @property
    def told(self) -> list[str]:
        return [f"{one.place.file}:{one.place.line} {one.code}" for one in self.diagnostics]


def expanded(
    root: Path, entry: str, *, wanted: Container[int] | None = None, files: InputFiles | None = None
) -> Expanded:
    """The runs of a group `g` in `m.yaml` with these entries (YAML, as it stands below `runs:`)."""
    text = f"""kind: RunGroup
metadata: {{name: g}}
spec:
  destination: ${{{{ vars.url }}}}/wf
  runs:
{entry}
"""
    source = SourceFile(display="m.yaml", name="m.yaml", folder=root, text=text)
    problems: list[Diagnostic] = []
    (document,) = yaml_docs.read(source, problems)
    assert problems == []
    files = files or InputFiles(root, 1_000_000)
    evaluator = References(VARIABLES, ("TOKEN",))
    findings: list = []  # type: ignore[type-arg]
    runs = list(expand(document, evaluator=evaluator, files=files, findings=findings, wanted=wanted))
    return Expanded(runs, diagnose(findings), files.take())


def from_file(root: Path, name: str, content: bytes, *, more: str = "", key: str = "row.id") -> Expanded:
    """The runs of `forEach` over a file with this content; the body is the row. `more`: further fields of `forEach`."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)
    return expanded(
        root,
        f"""
    - name: r
      forEach: {{file: {name}{more}}}
      key: ${{{{ {key} }}}}
      body: ${{{{ row }}}}""",
    )


NAMES = References(
    {"x": "X", "n": 3, "f": 1.5, "l": [1, "two"], "m": {"items": 5, "none": None}, "big": 2**60}, ("TOKEN",)
)


def value_of(source: str) -> object:
    return evaluate(f"${{{{ {source} }}}}", NAMES)
