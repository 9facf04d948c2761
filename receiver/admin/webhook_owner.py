"""Whose a webhook is: what code defines is changed by code, what a project or a set of files owns by that one alone."""

from __future__ import annotations

from receiver.admin.problems import Problem
from receiver.webhooks.definitions import ABSENT, DefinitionRow, Origin


def refuse_other_origin(row: DefinitionRow, origin: Origin) -> None:
    """Raise a 409 when code would change what was made by hand, or a hand what code defines."""
    if row.origin == origin:
        return
    if origin == "code":
        raise Problem(409, f"'{row.key}' was not made by code. Delete it, or give the flow's webhook another key.")
    raise Problem(
        409,
        f"'{row.key}' is defined in code. Change the flow's @webhook and run `webhooks deploy`; here only its `state` "
        "can be changed.",
    )


def refuse_other_source(row: DefinitionRow, source: str | None) -> None:
    """Raise a 409 when a project or a set of files would change what another one owns."""
    if source is not None and row.source not in {None, source}:
        raise Problem(
            409,
            f"'{row.key}' belongs to '{row.source}', not to '{source}'. Use another key, or take it over: "
            "--take-over at the command line, ?take_over=true here.",
        )


def refuse_moved(row: DefinitionRow | None, revision: int | None) -> None:
    """Raise a 412 when a caller that names a revision knows another one than is in force."""
    in_force = ABSENT if row is None else row.revision
    if revision is not None and revision != in_force:
        now = f"of revision {in_force} now" if in_force else "gone"
        raise Problem(412, f"Somebody changed it since you read revision {revision}: it is {now}. Read it again.")
