"""Writes a new workflow into a project: every check before the first write, then all files or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from receiver.contract.errors import WebhooksError
from receiver.scaffold.manifest import new_manifest, with_entry
from receiver.scaffold.templates import CONFTEST, Scaffold, source_of_flow, source_of_test

MANIFEST = "prefect.yaml"


class InTheWay(WebhooksError):
    """A file is there already, or a folder cannot be written. Nothing was changed."""


def plan(project: Path, scaffold: Scaffold) -> dict[Path, str]:
    """The files to write, each with its whole text; `prefect.yaml` last. Raises InTheWay and DefinitionError."""
    manifest = project / MANIFEST
    fresh = {
        project / "flows" / f"{scaffold.module}.py": source_of_flow(scaffold),
        project / "tests" / f"test_{scaffold.module}.py": source_of_test(scaffold),
    }
    for file in fresh:
        if file.exists() or file.is_symlink():
            raise InTheWay(f"{file} is there already, and nothing is overwritten. Take another name, or move it away.")
    package = project / "flows" / scaffold.module
    if package.exists():
        raise InTheWay(f"{package} is there already and would hide flows/{scaffold.module}.py. Take another name.")
    if not (project / "conftest.py").exists():
        fresh[project / "conftest.py"] = CONFTEST
    text = _read(manifest) if manifest.exists() else new_manifest(project.name)
    return {**fresh, manifest: with_entry(text, scaffold.key, scaffold.module)}


def write(files: Mapping[Path, str]) -> None:
    """Write all files or none: new ones are never overwritten, an existing `prefect.yaml` is replaced at once, last.

    Raises InTheWay; what was written until then is taken away again.
    """
    made: list[Path] = []
    try:
        for file, text in files.items():
            _make_folder(file.parent, made)
            if file.name == MANIFEST and file.exists():
                _replace(file, text)
            else:
                with file.open("x", encoding="utf-8", newline="") as new:
                    made.append(file)
                    new.write(text)
    except OSError as error:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise InTheWay(f"{error.filename or file} cannot be written ({error.strerror}). Nothing was changed.") from None


def _read(manifest: Path) -> str:
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InTheWay(f"{manifest} cannot be read: {error}. Nothing was changed.") from None


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)


def _replace(file: Path, text: str) -> None:
    file = file.resolve()  # a link stays one
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with draft.open("x", encoding="utf-8", newline="") as new:
            new.write(text)
        draft.chmod(file.stat().st_mode)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
