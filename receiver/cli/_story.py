"""What there is to tell of one delivery, line by line. Pure; what a sender or a flow wrote is made printable here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from receiver.cli.moments import tell_clock, tell_moment, tell_ms
from receiver.cli.next_step import next_step
from receiver.cli.output import printable, printable_lines, status_text
from receiver.cli.timeline import bar, stages

SHOWN_BODY = 2048
MOST_LOG_LINES = 50
_MOST_TASKS = 50
_LEVELS = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_STATES = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "CANCELLED": "yellow"}
_STAGES = {"receive": "magenta", "queue": "cyan", "start": "yellow", "run": "blue", "reply": "green"}


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How it is told: times in UTC or local, bars of blocks or `#`, the body whole or its beginning."""

    utc: bool
    blocks: bool
    whole_body: bool


def tell(delivery: Mapping[str, Any], body: bytes, runs: Mapping[str, Any], manner: Manner) -> Iterator[Text]:
    """Lines for a person. `delivery` and `runs` are as the API gives them, `body` the stored bytes."""
    yield Text.assemble((printable(delivery["webhook"]), "bold"), f"  {printable(delivery['id'])}  ").append_text(
        status_text(delivery["status"])
    )
    yield from _request(delivery, body, manner)
    yield from _judgement(delivery)
    yield from _timeline(delivery, runs, manner)
    reports = {report["attempt"]: report for report in runs["attempts"]}
    if not runs["available"]:
        yield Text("")
        yield from _lines(f"Prefect does not answer, so what the runs did is missing: {runs['problem']}", "", "yellow")
    for attempt in delivery["attempts"]:
        yield from _attempt(attempt, (reports.get(attempt["number"]) or {}).get("run"), manner)
    yield from _answer(delivery, runs)
    if step := next_step(delivery, runs):
        yield from _head("Next")
        yield from _lines(step)


def _lines(text: str, indent: str = "  ", style: str = "") -> Iterator[Text]:
    for line in printable_lines(text).split("\n"):
        yield Text(f"{indent}{line}", style=style)


def _head(title: str) -> Iterator[Text]:
    yield Text("")
    yield Text(title, style="bold underline")


def _fact(name: str, value: object, style: str = "") -> Text:
    return Text.assemble((f"  {printable(name)}: ", "dim"), (printable(value), style))


def _pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            yield name, str(each)


def _request(delivery: Mapping[str, Any], body: bytes, manner: Manner) -> Iterator[Text]:
    yield from _head("Request")
    at = tell_moment(delivery["received_at"], utc=manner.utc)
    yield Text(f"  {printable(delivery['method'])} {printable(delivery['path'])}", style="bold")
    yield Text(f"  {at} from {printable(delivery['client_ip'])}")
    for name, value in _pairs(delivery["query"]):
        yield _fact(f"?{name}", value)
    for name, value in _pairs(delivery["headers"]):
        yield _fact(name, value)
    kept = "" if len(body) >= delivery["body_size"] else f", {len(body)} of them kept"
    yield Text(f"  {delivery['body_size']} bytes{kept}", style="dim")
    shown, cut = _body(body, manner.whole_body)
    yield from _lines(shown, "    ") if shown else ()
    if cut:
        yield Text(f"    … {cut} more; all of it: webhooks show {printable(delivery['id'])} --body", style="dim")


def _body(body: bytes, whole: bool) -> tuple[str, str]:
    """The body as text, and how much of it is left out."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"(bytes that are not text: {body[:32].hex(' ')}{' …' if len(body) > 32 else ''})", ""
    with suppress(ValueError, RecursionError):  # what is no JSON is shown as it came
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    if whole or len(text) <= SHOWN_BODY:
        return text, ""
    return text[:SHOWN_BODY], f"{len(text) - SHOWN_BODY} characters"


def _judgement(delivery: Mapping[str, Any]) -> Iterator[Text]:
    yield from _head("Judgement")
    verified = delivery["verification"]
    if verified.get("scheme") == "none":
        yield _fact("verification", "none: the webhook is open")
    elif verified:
        secret = f", secret {verified['secret']!r} matched" if verified.get("secret") else ""
        yield _fact("verification", f"{verified.get('scheme')}{secret}", "green")
    else:
        yield _fact("verification", "not verified", "red")
    if delivery["reason"]:
        yield _fact("reason", ": ".join(filter(None, (delivery["reason"], delivery["detail"]))), "yellow")
    elif delivery["detail"]:
        yield _fact("detail", delivery["detail"], "yellow")
    if delivery["event_id"]:
        conflict = " (it had come with another body before)" if delivery["id_conflict"] else ""
        yield _fact("event id", f"{delivery['event_id']}{conflict}")
    if delivery["duplicate_of"]:
        yield _fact("duplicate of", delivery["duplicate_of"])
    for name, value in delivery["notes"].items():
        yield _fact(name, value if isinstance(value, str) else json.dumps(value))
    yield _fact("definition", f"revision {delivery['revision']}")


def _timeline(delivery: Mapping[str, Any], runs: Mapping[str, Any], manner: Manner) -> Iterator[Text]:
    replies = [report["reply"]["at"] for report in runs["attempts"] if report["attempt"] == 1 and report["reply"]]
    known = stages(delivery, replies[0] if replies else None)
    total = max((stage.start + stage.ms for stage in known), default=0.0)
    yield from _head("Timeline")
    for stage in known:
        drawn = bar(stage, total, "█" if manner.blocks else "#")
        yield Text.assemble(f"  {stage.name:<8}{tell_ms(stage.ms):>14}  ", (drawn, _STAGES[stage.name]))
    for change in delivery["status_changes"]:
        words = "  ".join(filter(None, (change["source"], change["detail"])))
        moved = Text(f"  {tell_clock(change['at'], utc=manner.utc)}  {printable(change['from'])} → ", style="dim")
        yield moved.append_text(status_text(change["to"])).append(f"  {printable(words)}", style="dim")


def _attempt(attempt: Mapping[str, Any], run: Mapping[str, Any] | None, manner: Manner) -> Iterator[Text]:
    yield from _head(f"Attempt {attempt['number']}")
    yield (
        Text("  ")
        .append_text(status_text(attempt["status"]))
        .append(printable(f"  {attempt['deployment']}  {_cause(attempt)}"))
    )
    if where := attempt["flow_run_url"] or attempt["flow_run_id"]:
        yield _fact("run", where)
    if attempt["detail"]:
        yield _fact("detail", attempt["detail"], "yellow")
    if run is None:
        return
    for state in run["states"]:
        yield from _state(state, manner)
    for task in run["task_runs"][:_MOST_TASKS]:
        yield _task(task)
        if task["state"] and task["state"]["message"]:
            yield from _lines(task["state"]["message"], "      ", "dim")
    if left := len(run["task_runs"]) - _MOST_TASKS:
        yield from _lines(f"… {left} more tasks; --json has them", "    ", "dim") if left > 0 else ()
    yield from _log(run["logs"], more=run["more_logs"], manner=manner)


def _cause(attempt: Mapping[str, Any]) -> str:
    """Why there is this attempt, in words."""
    if attempt["cause"] == "request":
        return "started by the request"
    if attempt["cause"] == "crash":
        return "started again after a crash"
    edited = " with an edited body" if attempt["edited"] else ""
    return f"replayed by {attempt['actor']}{edited}"


def _state(state: Mapping[str, Any], manner: Manner) -> Iterator[Text]:
    clock = tell_clock(state["at"], utc=manner.utc)
    first, *rest = printable_lines(state["message"]).split("\n")
    yield Text.assemble(f"  {clock}  ", (printable(state["name"]), _STATES.get(state["type"], "")), f"  {first}")
    for line in rest:
        yield Text(f"    {line}")


def _task(task: Mapping[str, Any]) -> Text:
    state = task["state"] or {"name": "not started", "type": ""}
    tries = f", {task['runs']} tries" if task["runs"] > 1 else ""
    return Text.assemble(
        f"    task {printable(task['name'])}  ",
        (printable(state["name"]), _STATES.get(state["type"], "")),
        f"  {tell_ms(task['seconds'] * 1000)}{tries}",
    )


def _log(lines: Sequence[Mapping[str, Any]], *, more: bool, manner: Manner) -> Iterator[Text]:
    last = lines[-MOST_LOG_LINES:]
    if more or len(lines) > len(last):
        yield Text(f"    … the last {len(last)} lines of its log; --json has up to 500", style="dim")
    for line in last:
        first, *rest = printable_lines(line["message"]).split("\n")
        style = _LEVELS.get(line["level"], "")
        clock = tell_clock(line["at"], utc=manner.utc)
        yield Text.assemble((f"    {clock}  ", "dim"), (f"{printable(line['level']):<8}  {first}", style))
        for each in rest:
            yield Text(f"      {each}", style=style)


def _answer(delivery: Mapping[str, Any], runs: Mapping[str, Any]) -> Iterator[Text]:
    yield from _head("Answer")
    status = delivery["response_status"]
    yield _fact("status", status if status is not None else "not known: the sender waits, or was gone", "bold")
    for report in runs["attempts"]:
        if (reply := report["reply"]) is None:
            continue
        asked = "" if reply["status"] is None else f" {reply['status']}"
        yield Text(f"  the flow of attempt {report['attempt']} replied{asked}:")
        for name, value in _pairs(reply["headers"]):
            yield Text("  ").append_text(_fact(name, value))
        if reply["problem"]:
            yield Text(f"    {printable(reply['problem'])}", style="red")
        else:
            text = reply["base64"] or json.dumps(reply["body"], indent=2, ensure_ascii=False)
            yield from _lines(text[:SHOWN_BODY] + (" …" if len(text) > SHOWN_BODY else ""), "    ")
