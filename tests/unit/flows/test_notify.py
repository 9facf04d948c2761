"""Telling people something: real servers on loopback play the channels."""

from __future__ import annotations

import base64
import hmac
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MattermostWebhook
from pydantic import ValidationError

from blocks import AppriseChannel, ChatRobot, Smtp
from blocks.apprise_channel import not_taken
from blocks.errors import Failed, InvalidInput, NotConfigured, TryAgain
from flows.nodes import _chat_robots, _prefect_channels
from flows.nodes._attachments import read_attachments
from flows.nodes.send_email import post
from tests.support.http_server import Answer, HttpServer

plan = import_module("flows.nodes.notify").plan
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a process's log shows: the root logger's lines (`caplog` listens to silenced loggers too)."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def robot(server: HttpServer, platform: str, **fields: Any) -> ChatRobot:
    url = f"{server.url}/robot/t0ken?access_token=t0ken"
    return ChatRobot(**{"platform": platform, "url": url, "allow_networks": ["127.0.0.1"], **fields})


# what is asked for


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("sales", "s", "t"), "is not <block type>/<name>"),
        (("Slack/sales", "s", "t"), "is not <block type>/<name>"),
        (("slack-webhook/a/b", "s", "t"), "is not <block type>/<name>"),
        (("smtp/x", "s", " "), "text: is empty"),
        (("smtp/x", "s", "t" * 100_001), "over 100000 characters"),
        (("smtp/x", "s\nBcc: all", "t"), "subject: is one line"),
        (("slack-webhook/x", "s", "t", None, [("a.txt", b"")]), "slack-webhook takes none"),
        (("smtp/x", "s", "t", None, [("../a.txt", b"")]), "is no file name"),
        (("smtp/x", "s", "t", None, [("a\r\nb", b"")]), "is no file name"),
        (("smtp/x", "s", "t", None, [("a", "text")]), "not as bytes"),
        (("smtp/x", "s", "t", None, [("a", b"", "text/x\r\nX-A: b")]), "is no media type"),
        (("smtp/x", "s", "t", None, [("a", b"")] * 21), "at most 20 files"),
    ],
)
def test_what_cannot_be_told_says_why(given, problem):
    with pytest.raises(InvalidInput, match=problem):
        plan(*given)


# e-mail


async def test_an_email_has_text_html_and_files(tmp_path: Path):
    files = read_attachments([("звіт.csv", b"a;b"), ("x.bin", b"\x00", "application/x-thing")])

    await post(Smtp(directory=str(tmp_path)), ["ada@example.com"], "s", "text", "<p>html</p>", files)

    [file] = tmp_path.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == "<p>html</p>"
    assert [(part.get_filename(), part.get_content_type()) for part in message.iter_attachments()] == [
        ("звіт.csv", "text/csv"),
        ("x.bin", "application/x-thing"),
    ]


# robots


@pytest.mark.parametrize(
    ("platform", "taken", "sent"),
    [
        ("dingtalk", {"errcode": 0}, {"msgtype": "text", "text": {"content": "Order 7\nlarge"}}),
        ("wecom", {"errcode": 0}, {"msgtype": "text", "text": {"content": "Order 7\nlarge"}}),
        ("feishu", {"code": 0}, {"msg_type": "text", "content": {"text": "Order 7\nlarge"}}),
    ],
)
async def test_a_robot_says_it(server: HttpServer, platform, taken, sent):
    server.answers = [Answer(200, json.dumps(taken))]

    await _chat_robots.speak(robot(server, platform), "Order 7", "large")

    assert json.loads(server.requests[0].body) == sent
    assert server.requests[0].target == "/robot/t0ken?access_token=t0ken"


@pytest.mark.parametrize(
    ("platform", "answer", "kind"),
    [
        ("dingtalk", Answer(200, '{"errcode": 310000, "errmsg": "t0ken"}'), Failed),
        ("dingtalk", Answer(200, '{"errcode": 130101}'), TryAgain),
        ("wecom", Answer(200, '{"errcode": 93000}'), Failed),
        ("wecom", Answer(200, '{"errcode": 45009}'), TryAgain),
        ("feishu", Answer(200, '{"code": 19021}'), Failed),
        ("feishu", Answer(200, '{"code": 11232}'), TryAgain),
        ("feishu", Answer(200, "t0ken"), Failed),
        ("feishu", Answer(200, '{"errcode": 0}'), Failed),
        ("wecom", Answer(404, "t0ken"), Failed),
        ("wecom", Answer(502, "t0ken"), TryAgain),
        ("wecom", Answer(302, "", {"Location": "http://127.0.0.1/"}), Failed),
        ("wecom", Answer(drop=True), TryAgain),
    ],
)
async def test_a_robot_that_refuses_is_an_error_though_it_answers_200(server: HttpServer, platform, answer, kind):
    server.answers = [answer]

    with pytest.raises(kind) as caught:
        await _chat_robots.speak(robot(server, platform), "s", "t")

    assert "t0ken" not in str(caught.value)


async def test_a_robot_in_ones_own_network_needs_to_be_opened(server: HttpServer):
    with pytest.raises(NotConfigured, match="allow_networks"):
        await _chat_robots.speak(robot(server, "wecom", allow_networks=["10.0.0.0/8"]), "s", "t")
    assert server.requests == []


def test_messages_are_signed_as_dingtalk_and_feishu_demand(server: HttpServer):
    ding = _chat_robots.message(robot(server, "dingtalk", secret="SEC1"), "s", "t", now=NOW)
    signed = parse_qs(urlsplit(str(ding.url)).query)
    expected = hmac.new(b"SEC1", b"1772359200000\nSEC1", "sha256").digest()
    assert signed["access_token"] == ["t0ken"]
    assert (signed["timestamp"], signed["sign"]) == (["1772359200000"], [base64.b64encode(expected).decode()])

    feishu = json.loads(_chat_robots.message(robot(server, "feishu", secret="SEC1"), "s", "t", now=NOW).content)
    expected = hmac.new(b"1772359200\nSEC1", b"", "sha256").digest()
    assert (feishu["timestamp"], feishu["sign"]) == ("1772359200", base64.b64encode(expected).decode())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "oapi.test/t0ken"}, "begins with http"),
        ({"url": "http://oapi.test/t0ken"}, "called over https"),
        ({"secret": ""}, "secret is empty"),
        ({"platform": "wecom", "secret": "t0ken"}, "takes no secret"),
    ],
)
def test_a_robot_that_cannot_work_is_refused_without_telling_its_address(fields, problem):
    with pytest.raises(ValidationError, match=problem) as caught:
        ChatRobot(**{"platform": "dingtalk", "url": "https://oapi.test/t0ken", **fields})
    assert "t0ken" not in str(caught.value)


# Apprise


def apprise(server: HttpServer) -> AppriseChannel:
    return AppriseChannel(url=f"json://bot:s3cret@127.0.0.1:{server.port}/alerts")


async def test_apprise_sends_with_a_file(server: HttpServer):
    await apprise(server).send("Order 7", "a <large> order", [("a.csv", b"1;2", "text/csv")])

    sent = json.loads(server.requests[0].body)
    assert (sent["title"], sent["message"]) == ("Order 7", "a <large> order")
    assert base64.b64decode(sent["attachments"][0]["base64"]) == b"1;2"
    assert sent["attachments"][0]["filename"] == "a.csv"


@pytest.mark.parametrize(("status", "kind"), [(404, Failed), (429, TryAgain), (503, TryAgain)])
async def test_what_apprise_did_not_deliver_is_an_error_not_silence(server: HttpServer, status, kind, log):
    server.answers = [Answer(status, "s3cret")]

    with pytest.raises(kind, match=f"answered {status}") as caught:
        await apprise(server).send("s", "t")

    assert "s3cret" not in str(caught.value) + log.getvalue()


async def test_a_channel_nobody_listens_at_is_worth_another_try(free_port: int):
    with pytest.raises(TryAgain):
        await AppriseChannel(url=f"json://127.0.0.1:{free_port}").send("s", "t")


async def test_a_channel_of_apprise_without_files_says_so():
    with pytest.raises(InvalidInput, match="takes none"):
        await AppriseChannel(url="kodi://127.0.0.1").send("s", "t", [("a", b"", "text/csv")])


@pytest.mark.parametrize("url", ["", "s3cret", "nothing://s3cret", "json://a json://b", "dingtalk://s3cret!"])
def test_what_is_not_one_url_of_apprise_is_refused_and_not_told(url, log):
    with pytest.raises(ValidationError, match="is not one Apprise URL") as caught:
        AppriseChannel(url=url)
    assert "s3cret" not in f"{caught.value}{log.getvalue()}"


def test_several_statuses_are_worth_another_try_when_one_passes():
    assert isinstance(not_taken("error=404. error=503."), TryAgain)
    assert isinstance(not_taken("error=404. error=401."), Failed)


# Prefect's own blocks


def custom(server: HttpServer) -> CustomWebhookNotificationBlock:
    return CustomWebhookNotificationBlock(
        name="x", url=f"{server.url}/t0ken", json_data={"text": "{{subject}}: {{body}}"}
    )


def mattermost(server: HttpServer) -> MattermostWebhook:
    return MattermostWebhook(hostname="127.0.0.1", token="t0kent0ken", port=server.port, secure=False)


@pytest.mark.parametrize("kind", [custom, mattermost])
async def test_a_block_of_prefect_sends_and_its_failure_is_an_error_without_its_address(server: HttpServer, kind, log):
    server.answers = [Answer(200), Answer(404), Answer(503)]

    await _prefect_channels.send(kind(server), "Order 7", "large")
    with pytest.raises(Failed, match="answered 404") as refused:
        await _prefect_channels.send(kind(server), "s", "t")
    with pytest.raises(TryAgain, match="answered 503") as passing:
        await _prefect_channels.send(kind(server), "s", "t")

    assert "Order 7" in server.requests[0].body.decode()
    assert "t0ken" not in f"{refused.value}{passing.value}{refused.value.__cause__}{log.getvalue()}"
