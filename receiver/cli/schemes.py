"""`webhooks schemes`: which senders can be named, and what is to be entered where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import app
from receiver.cli.client import CommandFailed, failures_told
from receiver.cli.output import print_json, print_table

if TYPE_CHECKING:
    from receiver.ingress.verify import Scheme

_PROVES = {
    "signed": "the body is the sender's own",
    "secret": "the sender knows the secret; the body is not signed",
    "identifier": "no more than a name that others may know; `ip_allowlist` is required",
    "none": "nothing",
}
_MARKDOWN_COLUMNS = ("Scheme", "For whom", "Proves", "Secret", "Options", "Event id", "Setup and habits")


@app.command()
def schemes(
    name: Annotated[str | None, typer.Argument(help="Only this scheme, with its options.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of the documentation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the ways to verify a sender, and what to enter where. It needs no receiver.

    Example: webhooks schemes github
    """
    with failures_told():
        chosen = _chosen(name)
    if as_json:
        described = [describe(scheme) for scheme in chosen]
        print_json(described if name is None else described[0])
    elif markdown:
        print("\n".join(markdown_table(chosen)))
    elif name is None:
        print_table(
            ("SCHEME", "FOR", "PROVES", "SECRET"),
            [(scheme.name, scheme.about, scheme.strength, scheme.to_enter or "-") for scheme in chosen],
        )
        print("\nWhat to enter where: webhooks schemes NAME")
    else:
        print_table(("", ""), _facts(chosen[0]), header=False)


def _chosen(name: str | None) -> list[type[Scheme]]:
    from receiver.ingress.verify import SCHEMES
    from receiver.ingress.verify.options import near

    if name is None:
        return in_order(SCHEMES.values())
    if name not in SCHEMES:
        raise CommandFailed(f"There is no scheme '{name}'{near(name, frozenset(SCHEMES))}.")
    return [SCHEMES[name]]


def in_order(found: Iterable[type[Scheme]]) -> list[type[Scheme]]:
    """The general schemes first, then the senders by name."""
    return sorted(found, key=lambda scheme: (scheme.hold_invalid, scheme.name))


def describe(scheme: type[Scheme]) -> dict[str, Any]:
    """Everything a scheme knows of its sender, as JSON."""
    from receiver.contract.definition import DEFAULT_MAX_BODY

    return {
        "scheme": scheme.name,
        "for": scheme.about,
        "proves": scheme.strength,
        "secret": scheme.to_enter or None,
        "setup": scheme.setup or None,
        "options": scheme.options_taken(),
        "event_id": scheme.event_id,
        "id_signed": scheme.id_signed,
        "replay_guard": scheme.guards_replay,
        "split": scheme.split,
        "content_types": list(scheme.content_types),
        "max_body": scheme.default_max_body or DEFAULT_MAX_BODY,
        "answer_deadline": scheme.answer_deadline,
        "on_invalid": "hold" if scheme.hold_invalid else "reject",
        "handshake": scheme.handshake_is or None,
        "answer": scheme.answer_is or None,
    }


def markdown_table(chosen: Iterable[type[Scheme]]) -> list[str]:
    """The lines of the table in docs/webhooks.md."""
    rows = [_MARKDOWN_COLUMNS, ("---",) * len(_MARKDOWN_COLUMNS), *map(_markdown_row, chosen)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _markdown_row(scheme: type[Scheme]) -> tuple[str, ...]:
    options = ", ".join(f"`{name}`" for name in scheme.options_taken())
    return (
        f"`{scheme.name}`",
        scheme.about,
        _PROVES[scheme.strength],
        scheme.to_enter or "none",
        options or "none",
        f"`{scheme.event_id}`".replace("|", "\\|") if scheme.event_id else "none",  # else it would end the cell
        " ".join(_habits(scheme)),
    )


def _habits(scheme: type[Scheme]) -> Iterable[str]:
    """What else there is to know, in sentences."""
    if scheme.setup:
        yield scheme.setup
    if scheme.handshake_is:
        yield f"Checks the URL: {scheme.handshake_is}."
    if scheme.answer_is:
        yield f"Is answered {scheme.answer_is}."
    if scheme.split:
        yield f"Each of `{scheme.split}` is a delivery."
    if scheme.guards_replay:
        yield "The id is not signed: replays are guarded."
    if scheme.default_max_body:
        yield f"Bodies up to {scheme.default_max_body // 1024**2} MiB."
    if scheme.answer_deadline:
        yield f"Default `timeout`: {scheme.answer_deadline:g} s."


def _facts(scheme: type[Scheme]) -> Iterable[tuple[str, str]]:
    yield scheme.name, scheme.about
    yield "proves", _PROVES[scheme.strength]
    yield "secret", scheme.to_enter or "none"
    yield "event id", scheme.event_id or "none; set deduplicate.key"
    for number, habit in enumerate(_habits(scheme)):
        yield "" if number else "setup", habit
    for number, (name, does) in enumerate(scheme.options_taken().items()):
        yield "" if number else "options", f"{name}: {does}"
    yield "in code", f"verification={_example(scheme)}"


def _example(scheme: type[Scheme]) -> str:
    secret = f', "secret": "block:webhook-secret/{scheme.name}"' if scheme.needs_secret else ""
    return f'{{"scheme": "{scheme.name}"{secret}}}'
