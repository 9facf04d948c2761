"""Run in a process of its own: imports a project's flows and prints the webhooks they define, as JSON.

`python -m receiver.webhooks.read_definitions ENTRYPOINT...` in the project's folder prints
`{"found": [{"entrypoint", "flow_name", "definition"}], "failed": [{"entrypoint", "problem"}]}`. Whatever the flows
print while they are imported goes to standard error.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from receiver.contract.definition import get_definition

_OURS = Path(__file__).parents[1]


def load(entrypoint: str) -> object:
    """The object an entrypoint names: `package.module.flow`, `package.module:flow` or `folder/file.py:flow`."""
    place, colon, name = entrypoint.rpartition(":")
    if not colon:
        place, _, name = entrypoint.rpartition(".")
    if not place.endswith(".py"):
        return getattr(importlib.import_module(place), name)
    path = Path(place).resolve()
    # As Prefect loads such an entrypoint: with the file's own folder first on the path.
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def problem_of(error: BaseException, project: Path) -> str:
    """File, line and message of what an import raised; the file is the innermost of the project's own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_relative(error.filename, project)}:{error.lineno}: {type(error).__name__}: {error.msg}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename, project)]
    message = f"{type(error).__name__}: {error}"
    return f"{_relative(own[-1].filename, project)}:{own[-1].lineno}: {message}" if own else message


def _is_own(filename: str, project: Path) -> bool:
    path = Path(filename)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return path.is_relative_to(project) and not path.is_relative_to(_OURS) and not installed


def _relative(filename: str, project: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(project)) if path.is_relative_to(project) else filename


def read(entrypoints: list[str], project: Path) -> dict[str, Any]:
    """Import each entrypoint and collect the definitions; an import that fails does not hide the others."""
    found, failed = [], []
    for entrypoint in dict.fromkeys(entrypoints):
        try:
            flow = load(entrypoint)
            definition = get_definition(flow)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's module may raise anything while imported)
            failed.append({"entrypoint": entrypoint, "problem": problem_of(error, project)})
            continue
        if definition is not None:
            flow_name = str(getattr(flow, "name", entrypoint))
            found.append({"entrypoint": entrypoint, "flow_name": flow_name, "definition": definition.to_json()})
    return {"found": found, "failed": failed}


def main() -> None:
    """Print the answer on what was standard output when the process started."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with answer:
        json.dump(read(sys.argv[1:], Path.cwd()), answer)


if __name__ == "__main__":
    main()
