"""Which webhooks a project's code defines: the entries of `prefect.yaml`, and the definitions on their flows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from receiver.contract.errors import DefinitionError

LONGEST_NAME = 200
"""Characters of a project's name that the receiver keeps."""


@dataclass(frozen=True)
class Entry:
    """One deployment of `prefect.yaml`: its name and where its flow is, e.g. `flows.orders.sync`."""

    name: str
    entrypoint: str


@dataclass(frozen=True)
class FoundDefinition:
    """A definition found on the flow of an entrypoint, as JSON; `flow_name` is Prefect's name of that flow."""

    entrypoint: str
    flow_name: str
    definition: Mapping[str, Any]


def read_entries(text: str) -> list[Entry]:
    """The deployments of a `prefect.yaml` that have an entrypoint; raises `DefinitionError` when it cannot be read."""
    deployments = _read(text).get("deployments") or []
    if not isinstance(deployments, list):
        raise DefinitionError("prefect.yaml", "`deployments` is not a list")
    return [
        Entry(str(entry["name"]), str(entry["entrypoint"]))
        for entry in deployments
        if isinstance(entry, dict) and entry.get("name") and entry.get("entrypoint")
    ]


def project_name(text: str, folder: str) -> str:
    """What the project is called: `name` in its `prefect.yaml`, else its folder's name, at most 200 characters.

    Raises `DefinitionError` when the file cannot be read.
    """
    return str(_read(text).get("name") or folder or "project")[:LONGEST_NAME]


def _read(text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise DefinitionError("prefect.yaml", f"{place}{getattr(error, 'problem', None) or 'not YAML'}") from None
    return content if isinstance(content, dict) else {}


def bind_deployments(found: Sequence[FoundDefinition], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The definitions, each with its deployment: its own, else the only entry of `prefect.yaml` with its entrypoint.

    Raises `DefinitionError` when several entries could be meant, or when two flows define the same webhook.
    """
    bound: dict[str, dict[str, Any]] = {}
    for each in found:
        definition = dict(each.definition)
        key = str(definition["key"])
        if not definition.get("deployment"):
            names = [entry.name for entry in entries if entry.entrypoint == each.entrypoint]
            if len(names) != 1:
                choices = ", ".join(f"'{each.flow_name}/{name}'" for name in names)
                raise DefinitionError(
                    "deployment",
                    f"the webhook '{key}' could start any of {choices}. Name one in its definition: "
                    f"@webhook({key!r}, deployment='{each.flow_name}/{names[0]}', ...)",
                )
            definition["deployment"] = f"{each.flow_name}/{names[0]}"
        if key in bound and bound[key] != definition:
            raise DefinitionError("key", f"two flows define the webhook '{key}'. Give one of them another key.")
        bound[key] = definition
    return list(bound.values())
