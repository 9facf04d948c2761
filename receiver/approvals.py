"""The public page by which a person decides what a flow waits for: GET shows it and changes nothing, POST decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Any, Protocol
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from receiver.contract.approvals import MAX_COMMENT, Decision, Question, Token, decision_name, question_name
from receiver.prefect_gateway import PrefectUnavailable
from receiver.security_headers import NO_ICON, page_policy

_MAX_FORM = 32 * 1024
_POLICY = page_policy(form=True)
_TYPES: dict[str, Any] = {"application/json": {}, "text/html": {}}
_SHOWN = {
    200: "What is asked, or what was decided.",
    404: "There is no such question.",
    410: "Nobody decided in time.",
    503: "Prefect does not answer.",
}
_DECIDED = {**_SHOWN, 400: "Neither approved nor rejected.", 409: "It was decided before: how."}
_FORM = """<form method="post"><p><label>Comment<br>
<textarea name="comment" maxlength="2000" rows="3" cols="60"></textarea></label></p>
<p><button name="decision" value="approve">Approve</button>
<button name="decision" value="reject">Reject</button></p></form>"""


class RunInputs(Protocol):
    """What Prefect keeps for a run; `receiver.prefect_gateway.inputs`."""

    async def read(self, flow_run_id: str, name: str) -> str | None:
        """The text of that name."""

    async def claim(self, flow_run_id: str, name: str, text: str) -> bool:
        """Write the text, once."""

    async def resume(self, flow_run_id: str) -> None:
        """Let the run go on."""


def approvals_router(inputs: RunInputs, now: Callable[[], datetime]) -> APIRouter:
    """The routes. Whoever has the link may decide; a token that is wrong and one that never was answer alike."""
    router = APIRouter(tags=["public"])

    @router.get(
        "/api/approvals/{token}", summary="What a flow waits for a person to decide", responses=_described(_SHOWN)
    )
    async def show(request: Request, token: str) -> Response:
        try:
            return await _shown(request, token)
        except PrefectUnavailable:
            return _unavailable(request)

    @router.post("/api/approvals/{token}", summary="Approve or reject it, once", responses=_described(_DECIDED))
    async def decide(request: Request, token: str) -> Response:
        asked = await _asked(request)
        if asked is None:
            return _answer(request, 400, "Not understood", "Send decision=approve or decision=reject, and a comment.")
        try:
            return await _decided(request, token, *asked)
        except PrefectUnavailable:
            return _unavailable(request)

    async def _shown(request: Request, text: str) -> Response:
        token, question = await _open(text)
        if token is None or question is None:
            return _not_found(request)
        if (kept := await inputs.read(token.flow_run_id, decision_name(token.key))) is not None:
            return _outcome(request, question, Decision.load(kept))
        if question.expires_at <= now():
            return _answer(request, 410, "Expired", question.text)
        return _answer(request, 200, "Waiting", question.text, form=_FORM)

    async def _decided(request: Request, text: str, approved: bool, comment: str) -> Response:
        token, question = await _open(text)
        if token is None or question is None:
            return _not_found(request)
        name, decision = decision_name(token.key), Decision(approved=approved, comment=comment, decided_at=now())
        if await inputs.read(token.flow_run_id, name) is None and question.expires_at <= decision.decided_at:
            return _answer(request, 410, "Expired", question.text)
        first = await inputs.claim(token.flow_run_id, name, decision.dump())
        kept = await inputs.read(token.flow_run_id, name)
        if kept is not None:
            decision = Decision.load(kept)
        # Also by the second click: whoever was first may have found Prefect away when the run was to go on.
        await inputs.resume(token.flow_run_id)
        return _outcome(request, question, decision, 200 if first else 409)

    async def _open(text: str) -> tuple[Token | None, Question | None]:
        token = Token.parse(text)
        kept = await inputs.read(token.flow_run_id, question_name(token.key)) if token else None
        question = Question.load(kept) if kept is not None else None
        return (token, question) if token and question and question.opened_by(token) else (None, None)

    return router


def _described(answers: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Answers by status for OpenAPI: JSON, or a page for who accepts one."""
    return {status: {"description": words, "content": _TYPES} for status, words in answers.items()}


async def _asked(request: Request) -> tuple[bool, str] | None:
    """Whether to approve, and the comment; None for what says neither. A form or JSON."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM:
            return None
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            sent = _json(bytes(body))
        else:
            sent = {name: values[-1] for name, values in parse_qs(body.decode(), max_num_fields=10).items()}
    except ValueError:
        return None
    decision, comment = sent.get("decision"), sent.get("comment") or ""
    if decision not in ("approve", "reject") or not isinstance(comment, str):
        return None
    return decision == "approve", comment.replace("\0", "").encode("utf-8", "replace").decode()[:MAX_COMMENT]


def _json(body: bytes) -> dict[str, object]:
    try:
        sent = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return sent if isinstance(sent, dict) else {}


def _outcome(request: Request, question: Question, decision: Decision, status: int = 200) -> Response:
    title = "Approved" if decision.approved else "Rejected"
    return _answer(request, status, title, question.text, comment=decision.comment)


def _not_found(request: Request) -> Response:
    return _answer(request, 404, "Not found", "There is no such question.")


def _unavailable(request: Request) -> Response:
    return _answer(request, 503, "Try again", "The workflow cannot be reached now.")


def _answer(request: Request, status: int, title: str, text: str, *, comment: str = "", form: str = "") -> Response:
    headers = {"Retry-After": "5"} if status == 503 else {}
    if "text/html" not in request.headers.get("accept", ""):
        said = {"status": title.lower(), "question": text, **({"comment": comment} if comment else {})}
        return JSONResponse(said, status, headers=headers)
    words = "".join(f"<p>{escape(part)}</p>" for part in text.splitlines() if part.strip())
    said_too = f"<p>Comment: {escape(comment)}</p>" if comment else ""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"{NO_ICON}<title>{title}</title><h1>{title}</h1>{words}{said_too}{form}</html>"
    )
    return HTMLResponse(page, status, headers={**headers, **_POLICY})
