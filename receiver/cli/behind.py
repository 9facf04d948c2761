"""How far the receiver is behind, in front of what a command lists."""

from __future__ import annotations

import sys

from receiver.cli.client import AdminClient

_WORTH_TELLING_SECONDS = 2.0


def warn_when_behind(client: AdminClient) -> None:
    """One line on standard error while deliveries wait that are due; nothing when none does."""
    queue = client.get("/queue")
    if line := behind_line(float(queue["behind_seconds"]), str(queue["circuit"])):
        print(line, file=sys.stderr, flush=True)


def behind_line(seconds: float, circuit: str) -> str:
    """`Behind by 75 s: ...`, empty when it is not."""
    if seconds < _WORTH_TELLING_SECONDS:
        return ""
    cause = "" if circuit == "closed" else ", Prefect does not answer"
    return f"Behind by {seconds:.0f} s: deliveries wait for their hand-over{cause}."
