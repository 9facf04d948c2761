"""Messages to robots of DingTalk, WeCom and Feishu, and what their answers mean.

All three answer 200 to a message they refuse and put a code other than 0 into the body.
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import Any

import httpx

from blocks import ChatRobot
from blocks.errors import Failed, TryAgain
from flows.nodes._http_answers import parsed, verdict
from flows.nodes._http_calls import Conditions, exchanged

TOO_FAST = frozenset({130101, 45009, 9499, 11232})
"""Codes for "too many messages": DingTalk's, WeCom's, and two of Feishu's."""


def message(robot: ChatRobot, subject: str, text: str, *, now: datetime) -> httpx.Request:
    """The request that makes the robot speak, signed where it has a secret."""
    words = f"{subject}\n{text}" if subject else text
    url = httpx.URL(robot.url.get_secret_value())
    if robot.platform == "feishu":
        signed = _feishu_signature(robot, now)
        return httpx.Request("POST", url, json={**signed, "msg_type": "text", "content": {"text": words}})
    if robot.secret is not None:
        url = url.copy_merge_params(_dingtalk_signature(robot.secret.get_secret_value(), now))
    return httpx.Request("POST", url, json={"msgtype": "text", "text": {"content": words}})


def judge_answer(robot: ChatRobot, response: httpx.Response, body: bytes, *, now: datetime) -> Failed | TryAgain | None:
    """None when the robot took the message. Its address is a credential, so no message repeats it."""
    if response.status_code != 200:
        return verdict(f"{robot.platform} answered {response.status_code}", response, now=now)
    answer = parsed(body.decode("utf-8", "replace"))["json"]
    code = answer.get("code" if robot.platform == "feishu" else "errcode") if isinstance(answer, dict) else None
    if code == 0:
        return None
    if not isinstance(code, int):
        return Failed(f"{robot.platform} answered something that is not its robots' answer")
    told = f"{robot.platform} did not take the message: its code is {code}"
    return TryAgain(told) if code in TOO_FAST else Failed(told)


async def speak(robot: ChatRobot, subject: str, text: str) -> None:
    """Let the robot say it. Raises `Failed` and `TryAgain`."""
    request = message(robot, subject, text, now=datetime.now(UTC))
    terms = Conditions(seconds=30, expect={200}, repeatable=True, follow_redirects=False, max_bytes=64 * 1024)
    response, body = await exchanged(request, terms, allow_networks=robot.allow_networks)
    if problem := judge_answer(robot, response, body, now=datetime.now(UTC)):
        raise problem


def _dingtalk_signature(secret: str, now: datetime) -> dict[str, Any]:
    moment = str(round(now.timestamp() * 1000))
    return {"timestamp": moment, "sign": _base64_hmac(secret.encode(), f"{moment}\n{secret}".encode())}


def _feishu_signature(robot: ChatRobot, now: datetime) -> dict[str, str]:
    if robot.secret is None:
        return {}
    moment = str(round(now.timestamp()))
    return {"timestamp": moment, "sign": _base64_hmac(f"{moment}\n{robot.secret.get_secret_value()}".encode(), b"")}


def _base64_hmac(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(key, content, "sha256").digest()).decode()
