"""The scheme `dingtalk-robot`: messages that mention a robot of DingTalk's (钉钉)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.stamped import Stamp
from receiver.ingress.verify.timestamps import format_timestamp
from receiver.ingress.verify.wire import with_headers


class DingTalkRobotOptions(SchemeOptions):
    """How old a message may be."""

    tolerance: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=3600, description="Seconds a signature is good for; DingTalk says an hour."
    )


class DingTalkRobot(Scheme):
    """A robot's messages. Only the moment is signed, with the secret in it: the body is not, so use HTTPS."""

    name = "dingtalk-robot"
    about = "DingTalk (钉钉) robots that receive messages by HTTP"
    to_enter = "the robot's app secret"
    setup = "Enter the URL as the robot's message address, with HTTP as its way of receiving."
    strength: ClassVar[Strength] = "secret"
    options_model = DingTalkRobotOptions
    hold_invalid = True
    event_id = "{{$context.data.msgId}}"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `tolerance` in seconds."""
        self.options = read_options(DingTalkRobotOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a message whose moment one of the secrets signed, not too long ago."""
        keys = decode_keys(secrets)
        stamp = Stamp.of(request, "sign", "timestamp", "ms")
        label = find_match([stamp.signature], [(label, _signature(key, stamp.timestamp)) for label, key in keys])
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        stamp.check_age(now, self.options.tolerance)
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with the moment, signed."""
        _, key = decode_keys(secrets)[0]
        timestamp = format_timestamp(now, "ms")
        signature = _signature(key, timestamp.encode()).decode()
        return with_headers(request, {"timestamp": timestamp, "sign": signature})

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({"sign"}))


def _signature(key: bytes, timestamp: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, timestamp + b"\n" + key, "sha256"))
