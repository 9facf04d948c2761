"""ASGI in, ASGI out: bodies read to their limit, answers whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.answers import Answer
from receiver.ingress.capacity import Capacity
from receiver.ingress.endpoint import _AsgiArrival, for_webhooks, send_answer


class Wire:
    """The messages of one request, and what was sent back."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def scope(raw_path: bytes = b"/api/webhooks/a", **more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "raw_path": raw_path,
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    return {**usual, **more}


async def test_chunks_are_joined_up_to_the_limit():
    wire = Wire(chunk(b"ab"), chunk(b""), chunk(b"cd", more=False))
    assert await _AsgiArrival(scope(), wire.receive, Capacity()).read(4) == b"abcd"


@pytest.mark.parametrize("messages", [[chunk(b"abcde", more=False)], [chunk(b"abc"), chunk(b"de")]])
async def test_a_body_over_the_limit_is_refused_without_reading_on(messages: list[dict[str, Any]]):
    wire = Wire(*messages, chunk(b"never read"))
    with pytest.raises(Refused) as refused:
        await _AsgiArrival(scope(), wire.receive, Capacity()).read(4)
    assert refused.value.reason is Reason.BODY_TOO_LARGE and wire.messages == [chunk(b"never read")]


@pytest.mark.parametrize(("last", "whole"), [(False, True), (True, False)])
async def test_it_is_known_whether_a_refused_body_was_read_to_its_end(last: bool, whole: bool):
    arrival = _AsgiArrival(scope(), Wire(chunk(b"ab"), chunk(b"cde", more=last)).receive, Capacity())
    with pytest.raises(Refused):
        await arrival.read(4)
    assert arrival.whole is whole and arrival.held > 0


async def test_a_sender_that_hangs_up_or_is_too_slow_is_refused():
    with pytest.raises(Refused, match="hung up after 2 bytes"):
        await _AsgiArrival(scope(), Wire(chunk(b"ab")).receive, Capacity()).read(10)
    hurried = Capacity(body_seconds=0.0)
    with pytest.raises(Refused) as refused:
        await _AsgiArrival(scope(), asyncio.Event().wait, hurried).read(10)  # type: ignore[arg-type] # it never gives a message
    assert refused.value.reason is Reason.BODY_INCOMPLETE


def test_any_head_can_be_read():
    headers = [(b"X-Caf\xe9", b"\xff\x00\x80"), (b"content-length", b"9" * 5000)]
    arrival = _AsgiArrival(
        scope(b"/api/webhooks/%00/%2F\xff?x", query_string=b"\xff=%", headers=headers), Wire().receive, Capacity()
    )
    assert arrival.raw_path == "%00/%2Fÿ" and arrival.query_string == "ÿ=%" and arrival.peer == ""
    assert arrival.headers[0] == ("x-café", "ÿ\x00\x80")


@pytest.mark.parametrize(
    ("raw_path", "ours"),
    [
        (b"/api/webhooks/", True),
        (b"/api/webhooks/a%0Ab", True),
        (b"/api/webhooks", False),
        (b"/api%2Fwebhooks/a", False),
    ],
)
def test_what_is_ours_is_told_by_the_bytes_of_the_path(raw_path: bytes, ours: bool):
    assert for_webhooks(scope(raw_path)) is ours
    assert not for_webhooks(scope(raw_path, type="websocket"))


async def test_an_answer_without_content_names_no_length():
    wire = Wire()
    await send_answer(Answer(status=204, headers=[("x-a", "\N{SNOWMAN}")], body=b""), wire.receive, wire.send)
    assert wire.headers == {b"x-a": b"?"}


async def test_what_a_refused_sender_still_sends_is_taken_before_the_connection_closes():
    wire = Wire(chunk(b"more"), chunk(b"and more"), chunk(b"", more=False), chunk(b"the next request"))
    await send_answer(Answer(status=413, headers=[], body=b"no", close=True), wire.receive, wire.send)
    assert wire.headers == {b"content-length": b"2", b"connection": b"close"}
    assert [message.get("body") for message in wire.sent[1:]] == [b"no", None]
    assert wire.messages == [chunk(b"the next request")]


async def test_a_sender_is_gone_when_its_connection_is():
    wire = Wire(chunk(b"a", more=False), chunk(b"", more=False))
    arrival = _AsgiArrival(scope(), wire.receive, Capacity())
    await arrival.read(1)
    await arrival.hung_up()
    assert wire.messages == []
