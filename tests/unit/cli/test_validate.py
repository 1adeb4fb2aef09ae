"""`wfdeploy validate` in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden_files import command_line

HEAD = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: g}
spec:
  destination: https://a.example.com
  runs:
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_many_alike_are_folded_unless_all_are_asked_for() -> None:
    Path("m.yaml").write_text(HEAD + "".join(f"    - {{name: r{n}, bdoy: {n}}}\n" for n in range(200)))
    folded = command_line("validate", "m.yaml")
    assert folded.code == 4
    assert folded.stdout.count("the field 'bdoy' is not known here") == 5
    assert folded.stdout.endswith("  and 195 more like this in m.yaml, shown by 'wfdeploy validate --all'\n")
    assert folded.stderr == "200 errors.\n"
    everything = command_line("validate", "m.yaml", "--all")
    assert everything.stdout.count("the field 'bdoy' is not known here") == 200
    as_json = json.loads(command_line("validate", "m.yaml", "--output", "json").stdout)
    assert len(as_json["diagnostics"]) == as_json["summary"]["error"] == 200


def test_sound_manifest() -> None:
    Path("m.yaml").write_text(HEAD + "    - name: a\n")
    assert command_line("validate", "m.yaml") == command_line("validate", "m.yaml", "--all")
    assert command_line("validate", "m.yaml").code == 0
