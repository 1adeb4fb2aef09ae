"""The project file as a document: read, checked, told where it is wrong. A command that finds it in the cache doesn't
come here."""

from __future__ import annotations

from pathlib import Path

from wfdeploy.documents import places, sources, structure, yaml_docs
from wfdeploy.errors import InvalidInput
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import Document, Finding
from wfdeploy.model.project import Project, ServerSettings
from wfdeploy.project import rules as project_rules


def project_document(path: Path, *, cwd: Path) -> Document:
    """The one document of a project file, valid. Raises: `InvalidInput`."""
    problems: list[Diagnostic] = []
    display = sources.shown_path(path, cwd)
    source = None
    if _is_within(path, display, problems):
        source = sources.read(sources.Found(display, path), root=path.parent, cwd=cwd, stdin=None, problems=problems)
    documents = [] if source is None else list(yaml_docs.read(source, problems))
    findings = [finding for document in documents[:1] for finding in structure.check(document, "project")]
    if documents and not findings:
        findings = project_rules.check(documents[0])
    for extra in documents[1:]:
        message = "a project file holds one document"
        findings.append(Finding(document=extra, path=(), code="second-document", message=message))
    if source is not None and not documents and not problems:
        hint = "it needs at least apiVersion, kind and metadata.name; 'wfdeploy init' writes one"
        problems.append(
            Diagnostic(code="empty-file", message="this project file is empty", place=Place(display), hint=hint)
        )
    diagnostics = [*problems, *places.diagnose(findings)]
    if diagnostics:
        raise InvalidInput(diagnostics)
    return documents[0]


def _is_within(path: Path, display: str, problems: list[Diagnostic]) -> bool:
    """Whether it isn't a link to somewhere else, whose content would be shown where it makes no sense."""
    try:
        Bounds.around(path.parent).named(path.parent, [path.name]).resolve(path)
    except OutOfBoundsError as error:
        problems.append(Diagnostic(code="out-of-bounds", message=f"this {error.reason}", place=Place(display)))
        return False
    return True


def presumed_project(path: Path | None, *, cwd: Path) -> Project:
    """What can be presumed of a project whose file is wrong: where it is and where its manifests are.

    Its limits are such that nothing is refused for their sake.
    """
    if path is None:
        return Project(root=cwd.absolute())
    found = sources.Found(path.name, path)
    is_within = _is_within(path, path.name, [])
    source = sources.read(found, root=path.parent, cwd=cwd, stdin=None, problems=[]) if is_within else None
    data = next((document.data for document in yaml_docs.read(source, [])), None) if source is not None else None
    spec = data.get("spec") if isinstance(data, dict) else None
    named = spec.get("manifests") if isinstance(spec, dict) else None
    manifests = tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()
    if not manifests and (path.parent / "manifests").is_dir():
        manifests = ("manifests",)
    server = ServerSettings(insecure_destinations=True, max_message_bytes=sources.MAX_FILE_BYTES)
    return Project(root=path.parent, file=path, manifests=manifests, server=server)
