"""What is wrong with the text of files, with paths, and with the project file."""

from __future__ import annotations

from tests.vectors.mistakes import (
    Mistake,
    all_of,
    body,
    document,
    file,
    in_run,
    in_spec,
    link,
    one_of,
    only,
    own_id_kept,
    secrets,
    settings,
)

TEXT: dict[str, Mistake] = {
    "yaml-syntax": one_of(
        *(
            body(text)
            for text in (
                "        a: b: c\n",
                "        a: [1, 2\n",
                "        a: 'open\n",
                "      \tb: 1\n",
                "        a: 1\n       b: 2\n",
                "        a: @x\n",
                "        a: %x\n",
                "        - a\n        b: 1\n",
                "        a: |\n       less\n",
                "        ? a\n        b\n",
                '        a: "\\q"\n',
            )
        )
    ),
    "control-character": body("        a: \x01\n"),
    "duplicate-key": one_of(body("        a: 1\n        b: 2\n        a: 3\n"), body("        {x: 1, y: 2, x: 3}\n")),
    "merge-key": body("        base: &b {x: 1}\n        other:\n          <<: *b\n          y: 2\n"),
    "complex-key": one_of(body("        ? [a, b]\n        : 1\n"), body("        ? {a: b}\n        : 1\n")),
    "missing-key": one_of(body("        : 1\n"), body("        ? \n        : 1\n")),
    "bad-tag": one_of(
        body("        a: !custom x\n"),
        body("        a: !!int twelve\n"),
        body("        a: !!binary aGk=\n"),
        body("        a: !!set {x}\n"),
    ),
    "unknown-alias": body("        a: *nowhere\n"),
    "recursive-alias": body("        a: &loop [1, *loop]\n"),
    "alias-explosion": body(
        "        a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"        {chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(6))
    ),
    "too-deep": body(f"        a: {'[' * 300}{']' * 300}\n"),
    "yaml-version": lambda rng, project: setattr(rng.choice(project.files), "damage", [(b"", b"%YAML 1.1\n---\n")]),
    "empty-file": one_of(
        file("empty.yaml", b""), file("comment.yaml", b"# nothing\n"), file("dots.yaml", b"---\n...\n")
    ),
    "not-utf8": one_of(file("latin.yaml", b"gr\xfc\xdfe: 1\n"), file("utf16.yaml", "a: 1\n".encode("utf-16"))),
    "not-a-manifest": one_of(
        document("hello: world\n"),
        document("- a list\n"),
        document("just text\n"),
        document("apiVersion: apps/v1\nkind: Deployment\n"),
    ),
    "wrong-kind": one_of(
        document("apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: x}\n"),
        document("apiVersion: wfdepoly/v1\nkind: rungroup\nmetadata: {name: x}\nspec: {runs: []}\n"),
    ),
    "headless": document("apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata:\nspec:\n"),
    "not-found": only("manifests", "manifests/nowhere.yaml"),
    "no-manifests": one_of(only("data"), settings(manifests=["nowhere"]), settings(manifests=["payloads"])),
    "symlink-loop": link("loop.yaml", "manifests/loop.yaml"),
    "broken-link": link("nowhere.yaml", "manifests/link.yaml"),
    "out-of-bounds": link("/etc/hostname", "manifests/outside.yaml"),
    "bad-path": settings(state={"path": "../outside.db"}),
    "shared-state": settings(state={"path": "one.db"}, environments={"staging": {}, "production": {}}),
    "expression-in-variable": settings(vars={"a": "${{ vars.b }}"}),
    "bad-server-url": settings(server={"url": "ftp://x"}),
    "project-field": settings(environmnts={}),
    "same-run-id": own_id_kept,
    "onChange-error": in_spec(policy={"onChange": "error"}),
    "project-path": settings(state={"path": "a\0b"}),
    "second-document": lambda rng, project: project.beside.append({"apiVersion": "wfdeploy/v1"}),
    "a project as manifest": document("apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: x}\n"),
    "bad-secret": all_of(
        one_of(secrets(), secrets(APP_TOKEN="two\nlines", OTHER_KEY="x")),
        in_run(headers={"X-A": "${{ secrets.APP_TOKEN }}"}),
    ),
}
