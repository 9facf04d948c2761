"""The smallest workflow: it greets with the message it was sent.

Open, and therefore refused from anywhere but this machine:

    curl -X POST http://127.0.0.1:8000/api/webhooks/hello -H 'Content-Type: application/json' \
        -d '{"event":"test","data":{"message":"Hello"}}'
"""

from __future__ import annotations

from typing import Any

from prefect import flow, task

from receiver import Context, webhook


@webhook("hello", methods=["POST"], verification={"scheme": "none"}, ip_allowlist=["127.0.0.0/8", "::1/128"])
@flow(log_prints=True)
async def hello(context: Context) -> dict[str, str]:
    """Greet with the message in `{"data": {"message": ...}}`; its absence is no error."""
    return {"greeting": await greet(message_of(context.data))}


@task(task_run_name="greet", log_prints=True)
async def greet(message: str) -> str:
    """A node of one's own is any Prefect task."""
    greeting = f"The webhook says: {message}"
    print(greeting)  # noqa: T201 (with log_prints a line in Prefect's log)
    return greeting


def message_of(data: Any) -> str:
    """The message in what was sent, whatever was sent."""
    inner = data.get("data") if isinstance(data, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return message if isinstance(message, str) and message else "nothing"
