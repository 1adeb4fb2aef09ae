"""The command that is suggested leads to the same place."""

from __future__ import annotations

from wfdeploy.cli.flags import TargetFlags
from wfdeploy.cli.next_step import command_line
from wfdeploy.model.plan import Selection


def test_nothing_given_nothing_said() -> None:
    assert command_line("apply", TargetFlags(), (), Selection()) == "wfdeploy apply"


def test_flags_are_repeated_and_quoted() -> None:
    flags = TargetFlags(environment="production", state="a b.db", token_file="t")
    selection = Selection(targets=("g/*",), replace=("g/r[1]",), limit=3, prune=True, variables={"a": "b c"})
    assert command_line("apply", flags, ["manifests/"], selection) == (
        "wfdeploy apply manifests/ -e production --token-file t --state 'a b.db' --target 'g/*' "
        "--replace 'g/r[1]' --limit 3 --prune --var 'a=b c'"
    )
    assert command_line("apply", TargetFlags(local=True), ["p.plan"]) == "wfdeploy apply p.plan --local"
