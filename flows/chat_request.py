"""A message from a chat, read: which chat it is from, who asks, and what for. No I/O.

Three shapes: Slack's slash command (a form) and event (JSON), the JSON of a robot of DingTalk's, and the XML of an
application of WeCom's, decrypted and read by the receiver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Platform = Literal["slack", "dingtalk", "wecom"]

USAGE = "I understand: deploy OWNER/REPOSITORY COMMIT, for example: deploy lantern-works/site 5c0d3a9e"

# Whole addresses of plain characters: what follows the host cannot lead anywhere else.
_REPLY_ADDRESSES: Mapping[Platform, re.Pattern[str]] = {
    "slack": re.compile(r"https://hooks\.slack\.com/[A-Za-z0-9/_.-]{1,500}"),
    "dingtalk": re.compile(r"https://oapi\.dingtalk\.com/robot/sendBySession\?session=[A-Za-z0-9%_.=-]{1,500}"),
}
_MENTIONS = re.compile(r"(\s*<@[A-Z0-9]+(\|[^>]*)?>)+")
_COMMAND = re.compile(r"deploy\s+(\w[\w.-]{0,98}/\w[\w.-]{0,98})\s+([0-9a-f]{7,64})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What somebody wrote; `reply_url` is where the chat takes an answer to it for a while, None where it has none."""

    platform: Platform
    sender: str
    text: str
    reply_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the message asks for."""

    repository: str
    commit: str

    @property
    def words(self) -> str:
        """In words, for question and answer."""
        return f"the deployment of {self.repository} at {self.commit[:12]}"

    def parameters(self) -> dict[str, Any]:
        """Of the deployment that fulfils it."""
        return {"repository": self.repository, "commit": self.commit}


def read_message(data: Any) -> Message:
    """The message in a request's body.

    Raises ValueError for what is no person's message, and for one that wants its answer sent to another host.
    """
    if not isinstance(data, Mapping):
        raise _no_message()
    inner = data.get("xml", data)  # what XML is read into has its root around it
    try:
        if "command" in data and "user_id" in data:
            return _slack_command(data)
        if data.get("type") == "event_callback":
            return _slack_event(data["event"])
        if "msgtype" in data and "senderNick" in data:
            return _dingtalk(data)
        if "MsgType" in inner:
            return _wecom(inner)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no whole message: {error!r}") from None
    raise _no_message()


def read_wish(text: str) -> Wish | None:
    """What is asked for; None for anything but the one command there is."""
    found = _COMMAND.fullmatch(text.strip())
    return Wish(repository=found[1], commit=found[2]) if found else None


def spoken(platform: str, text: str) -> dict[str, Any]:
    """The body that makes the chat show a text as an answer."""
    if platform == "slack":
        # Unescaped, `<!channel>` in somebody's comment would call everybody.
        plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return {"response_type": "in_channel", "text": plain}
    return {"msgtype": "text", "text": {"content": text}}


def was_taken(platform: str, answer: Mapping[str, Any]) -> bool:
    """Whether the chat took the text. DingTalk answers 200 to what it refuses, with a code in the body."""
    told = answer["json"]
    return platform != "dingtalk" or (isinstance(told, Mapping) and told.get("errcode") == 0)


def _slack_command(data: Mapping[str, Any]) -> Message:
    sender, url = _line(data.get("user_name") or data["user_id"]), _reply_url("slack", data.get("response_url"))
    return Message(platform="slack", sender=sender, text=_text(data.get("text")), reply_url=url)


def _slack_event(event: Mapping[str, Any]) -> Message:
    if "bot_id" in event or "user" not in event:
        raise ValueError("a person wrote nothing here: the event is from a bot, or about something else")
    text = _text(event.get("text"))
    return Message(platform="slack", sender=_line(event["user"]), text=text[_mentions(text) :])


def _dingtalk(data: Mapping[str, Any]) -> Message:
    text = data["text"]["content"] if data["msgtype"] == "text" else ""
    url = _reply_url("dingtalk", data.get("sessionWebhook"))
    return Message(platform="dingtalk", sender=_line(data["senderNick"]), text=_text(text), reply_url=url)


def _wecom(data: Mapping[str, Any]) -> Message:
    if data["MsgType"] == "event":
        raise ValueError("a person wrote nothing here: it is an event of WeCom's")
    text = data["Content"] if data["MsgType"] == "text" else ""
    return Message(platform="wecom", sender=_line(data["FromUserName"]), text=_text(text))


def _reply_url(platform: Platform, url: Any) -> str | None:
    if not url:
        return None
    if not isinstance(url, str) or not _REPLY_ADDRESSES[platform].fullmatch(url):
        raise ValueError(f"the answer is to go to an address that is none of {platform}'s: nothing is sent there")
    return url


def _mentions(text: str) -> int:
    """Where the mention of the robot ends."""
    found = _MENTIONS.match(text)
    return found.end() if found else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(value: Any) -> str:
    """A name as one line: names are free text."""
    return " ".join(str(value).replace("\0", "").split())[:100] or "somebody"


def _no_message() -> ValueError:
    return ValueError("this is no message of Slack's, DingTalk's or WeCom's")
