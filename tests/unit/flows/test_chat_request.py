"""Messages of three chats, read: who asks for what, where the answer may go, and what is not understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.chat_message import chat_message
from flows.chat_request import USAGE, Message, Wish, read_message, read_wish, spoken, was_taken
from receiver.contract.definition import get_definition
from receiver.ingress.filter import compile_filter
from receiver.ingress.parse import parse_body

PAYLOADS = Path(__file__).parents[2] / "payloads" / "chat"
KINDS = {".txt": "application/x-www-form-urlencoded", ".json": "application/json", ".xml": "application/xml"}
WISH = Wish(repository="lantern-works/site", commit="5c0d3a9e")


def payload(name: str, **changed: Any) -> dict[str, Any]:
    """The body as the receiver reads it."""
    [file] = PAYLOADS.glob(f"{name}.*")
    data = parse_body(KINDS[file.suffix], file.read_bytes()).data
    return {**data, **changed}


@pytest.mark.parametrize(
    ("name", "platform", "sender", "reply_url"),
    [
        ("slack__command", "slack", "oksana", "https://hooks.slack.com/commands/T0LANTERN/71/not-a-real-address"),
        ("slack__mention", "slack", "U0OKSANA", None),
        (
            "dingtalk__message",
            "dingtalk",
            "Оксана",
            "https://oapi.dingtalk.com/robot/sendBySession?session=not-a-real-session",
        ),
        ("wecom__message", "wecom", "oksana", None),
    ],
)
def test_each_chat_says_who_asks_for_what_and_where_an_answer_goes(name, platform, sender, reply_url):
    message = read_message(payload(name))
    assert (message.platform, message.sender, message.reply_url) == (platform, sender, reply_url)
    assert read_wish(message.text) == WISH


def test_the_xml_of_wecom_may_come_without_its_root():
    assert read_message(payload("wecom__message")["xml"]) == read_message(payload("wecom__message"))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/commands/1",
        "https://hooks.slack.com.example.com/commands/1",
        "https://hooks.slack.com@example.com/commands/1",
        "https://hooks.slack.com:8443/commands/1",
        "https://hooks.slack.com\\@example.com/",
        "https://hooks.slack.com/commands/1?next=https://example.com",
        "https://oapi.dingtalk.com/robot/sendBySession?session=1",
        "https://169.254.169.254/latest",
        "https://hooks.slack.com/\n",
        ["https://hooks.slack.com/commands/1"],
    ],
)
def test_an_answer_goes_to_the_senders_own_host_or_nowhere(url):
    with pytest.raises(ValueError, match="an address that is none of slack's"):
        read_message(payload("slack__command", response_url=url))


def test_an_address_of_another_chat_is_none_of_dingtalks():
    with pytest.raises(ValueError, match="none of dingtalk's"):
        read_message(payload("dingtalk__message", sessionWebhook="https://hooks.slack.com/commands/1"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "no message of"),
        ("deploy", "no message of"),
        ({"text": "deploy"}, "no message of"),
        ({"type": "event_callback"}, "no whole message"),
        ({"type": "event_callback", "event": {"type": "app_mention", "bot_id": "B1"}}, "from a bot"),
        ({"type": "event_callback", "event": {"type": "channel_rename"}}, "about something else"),
        ({"msgtype": "text", "senderNick": "Ann", "text": None}, "no whole message"),
        ({"xml": {"MsgType": "event", "Event": "enter_agent"}}, "an event of WeCom's"),
        ({"xml": "text"}, "no message of"),
        ({"xml": {"MsgType": "text"}}, "no whole message"),
    ],
)
def test_what_is_no_persons_message_is_said_to_be_none(data, words):
    with pytest.raises(ValueError, match=words):
        read_message(data)


@pytest.mark.parametrize(
    "data",
    [
        payload("dingtalk__message", msgtype="picture"),
        {"xml": {"MsgType": "image", "FromUserName": "ann"}},
        payload("slack__command", text=None),
    ],
)
def test_a_message_without_words_asks_for_nothing(data):
    assert read_wish(read_message(data).text) is None


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("  deploy  lantern-works/site   5c0d3a9e \n", WISH),
        (USAGE.rpartition(": ")[2], WISH),
        ("deploy lantern-works/site", None),
        ("deploy site production", None),
        ("deploy lantern-works/site main", None),
        ("deploy lantern-works/site 5c0d3a9e; rm -rf /", None),
        ("deploy ../etc 5c0d3a9e", None),
        ("please deploy lantern-works/site 5c0d3a9e", None),
        ("", None),
    ],
)
def test_one_command_is_understood_whole_or_not_at_all(text, wish):
    assert read_wish(text) == wish


def test_an_answer_calls_nobody_who_was_not_meant():
    assert spoken("slack", "<!channel> a & b")["text"] == "&lt;!channel&gt; a &amp; b"
    assert spoken("dingtalk", "done") == {"msgtype": "text", "text": {"content": "done"}}


def test_dingtalk_takes_an_answer_only_with_code_0():
    assert was_taken("slack", {"json": None})
    assert was_taken("dingtalk", {"json": {"errcode": 0}})
    assert not was_taken("dingtalk", {"json": {"errcode": 300001}}) and not was_taken("dingtalk", {"json": None})


def test_a_name_is_one_short_line():
    assert read_message(payload("slack__command", user_name="a\nb\0" + "c" * 200)) == Message(
        platform="slack",
        sender=("a b" + "c" * 200)[:100],
        text="deploy lantern-works/site 5c0d3a9e",
        reply_url="https://hooks.slack.com/commands/T0LANTERN/71/not-a-real-address",
    )


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (payload("slack__command"), True),
        (payload("slack__mention"), True),
        (payload("slack__mention", event={"type": "app_mention", "bot_id": "B1"}), False),
        (payload("slack__mention", event={"type": "reaction_added"}), False),
        ({"ssl_check": "1"}, False),
    ],
)
def test_slack_is_listened_to_when_it_is_spoken_to(data, wanted):
    definition = get_definition(chat_message)
    assert definition is not None and definition.filter is not None
    assert compile_filter(definition.filter).matches({"data": data}) is wanted
