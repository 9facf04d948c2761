"""The last words of a start: addresses, where things are, one line that works when pasted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

_SAMPLE = '{"event":"test","data":{"message":"Hello"}}'


@dataclass(frozen=True, kw_only=True)
class Running:
    """What runs, and what a person has to know of it."""

    base_url: str
    prefect_ui: str
    auth_file: Path | None
    """Where the auth string of Prefect's API is; None when it was given to us or there is none."""

    admin_key_file: Path | None
    """Where the admin key is; None when it came from the environment."""

    new_admin_key: str | None
    """The key itself, when it was made now and a person reads this."""

    logs: Path
    webhooks: Iterable[Mapping[str, Any]]


def panel_text(running: Running) -> Text:
    """Lines of `label  value`; the line to paste stands alone, so that it can be selected whole."""
    rows = [
        ("Receiver", running.base_url),
        (
            "Prefect",
            running.prefect_ui + (f"   (password: the line in {running.auth_file})" if running.auth_file else ""),
        ),
        ("Logs", f"{running.logs}/"),
    ]
    if running.admin_key_file:
        rows.append(("Admin key", f"in {running.admin_key_file}"))
    if running.new_admin_key:
        rows.append(("", f"{running.new_admin_key}   (shown this once)"))
    text = Text()
    for label, value in rows:
        text.append(f"{label:<10}", style="bold").append(f"{value}\n")
    text.append("\nTry it:\n", style="bold").append(f"{try_line(running.webhooks, running.base_url)}\n", style="cyan")
    text.append("and see what became of it:\n", style="bold").append("webhooks deliveries --follow", style="cyan")
    return text


def try_line(webhooks: Iterable[Mapping[str, Any]], base_url: str) -> str:
    """A command that reaches a webhook there is: curl for an open one, `webhooks send`, which signs, for another."""
    usable = [webhook for webhook in webhooks if webhook.get("state", "enabled") == "enabled"]
    usable.sort(key=lambda webhook: (webhook["key"] != "hello", str(webhook["key"])))
    for webhook in usable:
        is_open = webhook.get("verification", {}).get("scheme") == "none"
        if is_open and not webhook.get("path") and "POST" in webhook.get("methods", ["POST"]):
            return (
                f"curl -X POST {base_url}/api/webhooks/{webhook['key']} -H 'Content-Type: application/json' "
                f"-d '{_SAMPLE}'"
            )
    if usable:
        return f"""webhooks send {usable[0]["key"]} --data '{_SAMPLE}'"""
    return "webhooks deploy   (no webhook is defined yet: put @webhook on a flow of prefect.yaml)"
