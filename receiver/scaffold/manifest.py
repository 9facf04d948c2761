"""A deployment's entry in `prefect.yaml`, put in as text so that comments and order stay. Pure."""

from __future__ import annotations

import re

import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from receiver.contract.errors import DefinitionError
from receiver.webhooks.manifest import read_entries

POOL = "webhooks"

_NEW = """# The deployments of this project; `webhooks deploy` brings them and their webhooks to life.
# Entrypoints name modules, so a worker finds them where it runs: there is nothing to pull.
name: {project}
pull: []

deployments:
"""
_ENTRY = """- name: {key}
  entrypoint: flows.{module}.{module}
  work_pool:
    name: {pool}
"""
_TOP_LEVEL = re.compile(r"[^\s#-]")


def new_manifest(project: str) -> str:
    """A `prefect.yaml` without deployments, for a project of that name."""
    return _NEW.format(project=re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-") or "webhooks")


def with_entry(text: str, key: str, module: str) -> str:
    """The text of `prefect.yaml` with the entry at the end of its deployments.

    Raises DefinitionError when there is one of that name or for that flow, and when the file is written so that an
    entry cannot be put in safely; the message has the entry to put in by hand.
    """
    entry = _ENTRY.format(key=key, module=module, pool=POOL)
    for known in read_entries(text):
        if known.name == key or known.entrypoint == f"flows.{module}.{module}":
            raise DefinitionError("prefect.yaml", f"has the deployment '{known.name}' already; take another name")
    line_end = "\r\n" if "\r\n" in text else "\n"
    made = line_end.join(_inserted(text.splitlines(), entry.splitlines())) + line_end
    if not _adds(text, made, entry):
        raise DefinitionError(
            "prefect.yaml", f"is written so that nothing can be put in safely. Add this to its deployments:\n{entry}"
        )
    return made


def _inserted(lines: list[str], entry: list[str]) -> list[str]:
    heads = [number for number, line in enumerate(lines) if re.match(r"deployments\s*:", line)]
    if not heads:
        return [*lines, *([""] if lines and lines[-1] else []), "deployments:", *(f"  {line}" for line in entry)]
    head = heads[-1]
    after = next((n for n, line in enumerate(lines) if n > head and _TOP_LEVEL.match(line)), len(lines))
    within = [n for n in range(head + 1, after) if lines[n].strip() and not lines[n].lstrip().startswith("#")]
    first = next((found[1] for n in within if (found := re.match(r"( *)- ", lines[n]))), "  ")
    place = within[-1] + 1 if within else head + 1
    opening = re.sub(r":\s*\[\s*\]", ":", lines[head])
    return [*lines[:head], opening, *lines[head + 1 : place], *(first + line for line in entry), *lines[place:]]


def _adds(before: str, after: str, entry: str) -> bool:
    """Whether the new text says what the old one said and the entry, no less and no more."""
    try:
        old, new = yaml.safe_load(before) or {}, yaml.safe_load(after)
    except yaml.YAMLError:
        return False
    if not isinstance(old, dict):
        return False
    return bool(new == {**old, "deployments": [*(old.get("deployments") or []), *yaml.safe_load(entry)]})
