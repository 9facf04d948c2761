"""What is kept of a refused request's body: its beginning, masked, and how long the whole was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from receiver.ingress.progress import REFUSED_BODY_KEPT
from tests.support.front_door import FrontDoor, front_door

SECRET = "the-quick-brown-secret"
ZOHO = {"key": "zoho", "verification": {"scheme": "zoho-crm", "secret": "env:REFUSED_TEST"}}


async def kept(door: FrontDoor, body: bytes, **more: Any) -> tuple[bytes, int]:
    answer = await door.knock("zoho", body=body, scheme="https", **more)
    assert answer.status == 401
    row = await door.recorded(answer)
    request = await door.store.request(row.id)
    assert request is not None
    return request.body, request.body_size


@pytest.mark.parametrize("before", [0, 10, REFUSED_BODY_KEPT - 40, REFUSED_BODY_KEPT - 20, REFUSED_BODY_KEPT])
async def test_of_a_long_body_the_beginning_is_kept_without_what_was_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
):
    monkeypatch.setenv("REFUSED_TEST", SECRET)
    body = b'{"a": "' + b"x" * before + b'", "token": "a-wrong-guess-of-it", "rest": "' + b"y" * 100_000 + b'"}'
    async with front_door(tmp_path, ZOHO) as door:
        stored, size = await kept(door, body)
        assert b"a-wrong" not in stored and stored.startswith(b'{"a": "')
        assert len(stored) <= REFUSED_BODY_KEPT + 16 and size == len(body)


async def test_a_short_one_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REFUSED_TEST", SECRET)
    async with front_door(tmp_path, ZOHO) as door:
        assert await kept(door, b'{"token": "a-guess", "b": 1}') == (b'{"token": "***", "b": 1}', 28)


async def test_what_a_stranger_sends_to_keep_the_receiver_busy_is_refused_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REFUSED_TEST", SECRET)
    async with front_door(tmp_path, ZOHO) as door:
        for piece in (b"<token><![CDATA[", b"&", b"payload=%7B%22&", b'{"a":'):
            body = piece * (1024 * 1024 // len(piece))
            stored, size = await kept(door, body, headers={"content-type": "text/xml"})
            assert len(stored) <= 2 * REFUSED_BODY_KEPT and size == len(body)
