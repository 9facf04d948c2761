"""The last words of a start: addresses, where things are, one line that works when pasted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

_WORTH_TELLING_SECONDS = 2.0
_SAMPLE = '{"event":"test","data":{"message":"Hello"}}'


@dataclass(frozen=True, kw_only=True)
class Running:
    """What runs, and what a person has to know of it."""

    base_url: str
    admin_url: str | None = None
    """The admin API's own address, None when it shares the receiver's."""

    prefect_ui: str
    auth_file: Path | None
    """Where the auth string of Prefect's API is; None when it was given to us or there is none."""

    admin_key_file: Path | None
    """Where the admin key is; None when it came from the environment."""

    new_admin_key: str | None
    """The key itself, when it was made now and a person reads this."""

    logs: Path
    webhooks: Iterable[Mapping[str, Any]]
    cwd: Path
    """Paths below it are shown in short."""

    behind_seconds: float = 0.0
    """Since when the first delivery has waited that was accepted and not handed over yet."""

    warnings: int = 0
    """How many are raised."""


def whereabouts(running: Running) -> Text:
    """Where everything is: lines of `label  value`."""
    rows = [("Receiver", running.base_url)]
    if running.admin_url:
        rows.append(("Admin API", running.admin_url))
    rows.append(("Prefect", running.prefect_ui))
    if running.auth_file:
        rows.append(("", f"its password is the line in {_short(running.auth_file, running)}"))
    if running.admin_key_file:
        rows.append(("Admin key", f"in {_short(running.admin_key_file, running)}"))
    rows.append(("Logs", f"{_short(running.logs, running)}/"))
    if running.behind_seconds >= _WORTH_TELLING_SECONDS:
        rows.append(("Queue", f"behind by {running.behind_seconds:.0f} s: deliveries of before are handed over now"))
    if running.warnings:
        raised = "1 is" if running.warnings == 1 else f"{running.warnings} are"
        rows.append(("Warnings", f"{raised} raised: webhooks alerts"))
    return Text("\n").join(Text(f"{label:<11}", style="bold") + Text(value) for label, value in rows)


def next_steps(running: Running) -> Text:
    """What to do now; each line to paste stands alone."""
    text = Text()
    if running.new_admin_key:
        text.append("Admin key, shown this once:\n", style="bold").append(f"{running.new_admin_key}\n")
    text.append("Try it:\n", style="bold").append(f"{try_line(running.webhooks, running.base_url)}\n", style="cyan")
    return text.append("See what became of it:\n", style="bold").append("webhooks deliveries --follow", style="cyan")


def _short(path: Path, running: Running) -> str:
    return str(path.relative_to(running.cwd) if path.is_relative_to(running.cwd) else path)


def try_line(webhooks: Iterable[Mapping[str, Any]], base_url: str) -> str:
    """A command that reaches a webhook there is: curl for an open one, `webhooks send`, which signs, for another.

    And for all with TLS: the certificate is for the public name, so curl would not take it from this machine's address.
    """
    usable = [webhook for webhook in webhooks if webhook.get("state", "enabled") == "enabled"]
    usable.sort(key=lambda webhook: (webhook["key"] != "hello", str(webhook["key"])))
    for webhook in usable:
        is_open = webhook.get("verification", {}).get("scheme") == "none"
        if (
            is_open
            and base_url.startswith("http:")
            and not webhook.get("path")
            and "POST" in webhook.get("methods", ["POST"])
        ):
            return (
                f"curl -X POST {base_url}/api/webhooks/{webhook['key']} -H 'Content-Type: application/json' "
                f"-d '{_SAMPLE}'"
            )
    if usable:
        return f"""webhooks send {usable[0]["key"]} --data '{_SAMPLE}'"""
    return "webhooks deploy   (no webhook is defined yet: put @webhook on a flow of prefect.yaml)"
