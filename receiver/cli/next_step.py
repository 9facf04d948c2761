"""Why a delivery did not simply complete, and the command to give next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BAD_STATES = {"FAILED", "CRASHED"}


def next_step(delivery: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """Lines for a person: the cause and what to do; empty where nothing is to be done."""
    again, check = f"webhooks replay {delivery['id']}", f"webhooks check {delivery['webhook']}"
    match delivery["status"]:
        case "failed" | "crashed":
            cause = _cause(runs)
            return f"{cause}Run it again once its cause is mended: {again}"
        case "held":
            return f"It was verified and is kept whole, but cannot be used. See why: {check}\nThen run it: {again}"
        case "dead":
            return f"Prefect did not take it. See what is missing: {check}\nThen run it again: {again}"
        case "cancelled":
            return f"Its run was cancelled. Run it again: {again}"
        case "rejected":
            return f"It was refused. See whether it is our side: {check}"
        case "queued" if delivery["reason"] == "paused":
            return f"The webhook is paused. Run what waits: webhooks resume {delivery['webhook']}"
        case "queued" | "dispatched":
            return f"It waits. See whether something is in its way: {check}"
    return ""


def _cause(runs: Mapping[str, Any]) -> str:
    """The words of the latest run's last state, when that is a bad one."""
    for report in reversed(runs["attempts"]):
        states = report["run"]["states"] if report["run"] else []
        if states and states[-1]["type"] in _BAD_STATES and states[-1]["message"]:
            return f"{states[-1]['message']}\n"
    return ""
