"""Wait for a person.

No task: Prefect suspends flow runs, and a task belongs to one that goes on.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound, Pause, PrefectHTTPStatusError
from prefect.flow_runs import asuspend_flow_run

from blocks.errors import Failed, InvalidInput
from receiver.contract import fetch
from receiver.contract.approvals import (
    MAX_QUESTION,
    Decision,
    Question,
    Token,
    decision_name,
    digest_of,
    question_name,
)

MAX_WAIT = timedelta(days=30)
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


async def approval(
    question: str,
    tell: Callable[[str], Awaitable[object]],
    *,
    key: str = "approval",
    expires: timedelta = timedelta(days=2),
) -> Decision:
    """Ask a person to approve or reject, and wait for as long as it takes; meanwhile the run takes up no worker.

    ```python
    decision = await approval("Refund 120 EUR?", lambda url: send_email("boss@example.com", "Please decide", url))
    ```

    The run is suspended, and started anew from its first line when the person has decided: what stands before this
    line runs twice, so it must do no harm twice. `tell` is called the first time alone.

    Args:
        question: What the page asks: plain text, at most 4,000 characters.
        tell: Gets the page's address and brings it to whoever is to decide. Whoever has the address may decide.
        key: Tells two questions of one run apart: small letters, digits, single dashes.
        expires: How long the answer is waited for, at most 30 days; then Prefect fails the run.

    Returns:
        `approved`, `comment` and `decided_at`.

    Raises:
        InvalidInput: A question, a key or a time that cannot be used.
        Failed: The time was over before somebody decided.
    """
    if not question.strip() or len(question) > MAX_QUESTION:
        raise InvalidInput(f"a question has from 1 to {MAX_QUESTION} characters")
    if len(key) > 60 or not _KEY.fullmatch(key):
        raise InvalidInput(f"key is of small letters, digits and single dashes, not {key!r}")
    if not timedelta(0) < expires <= MAX_WAIT:
        raise InvalidInput(f"expires is over 0 and at most {MAX_WAIT.days} days")
    run = _flow_run()
    async with get_client() as client:
        asked = await _read(client, run, question_name(key))
        kept = Question.load(asked) if asked else await _ask(client, run, key, question, tell, expires)
        if (decided := await _read(client, run, decision_name(key))) is not None:
            return Decision.load(decided)
        left = (kept.expires_at - datetime.now(UTC)).total_seconds()
        if left <= 0:
            raise Failed(f"nobody has decided in time: {question[:200]}")
        try:
            # A key of its own each time: whoever resumes the run by hand has decided nothing, and it waits again.
            await asuspend_flow_run(timeout=max(1, round(left)), key=str(uuid4()))
        except Pause:
            # A decision between our look and the suspension has found nothing to resume.
            if await _read(client, run, decision_name(key)) is not None:
                await client.resume_flow_run(run)
            raise
    raise Failed("Prefect did not suspend the run")


async def _ask(
    client: PrefectClient,
    run: UUID,
    key: str,
    text: str,
    tell: Callable[[str], Awaitable[object]],
    expires: timedelta,
) -> Question:
    token = str(Token(flow_run_id=str(run), key=key, secret=secrets.token_urlsafe(32)))
    question = Question(text=text, expires_at=datetime.now(UTC) + expires, digest=digest_of(token))
    address = json.loads(await fetch.fetch("/api/admin/address"))["url"]
    await client.create_flow_run_input(run, question_name(key), question.dump())
    try:
        await tell(f"{address}/api/approvals/{token}")
    except BaseException:
        # Nobody knows the address: the run's next attempt asks anew.
        await client.delete_flow_run_input(run, question_name(key))
        raise
    return question


async def _read(client: PrefectClient, run: UUID, name: str) -> str | None:
    try:
        return await client.read_flow_run_input(run, name)
    except (ObjectNotFound, PrefectHTTPStatusError) as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        return None


def _flow_run() -> UUID:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or TaskRunContext.get() is not None:
        raise InvalidInput("approval is awaited in a flow itself, not in a task")
    return context.flow_run.id
