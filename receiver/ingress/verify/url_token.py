"""The scheme `url-token`: the last segment of the path is the credential, for senders that can do nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from receiver.contract.errors import Unverified
from receiver.contract.paths import TOKEN_SEGMENT
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.keys import find_match

_TOKEN = re.compile(r"[A-Za-z0-9_~-]{20,200}", re.ASCII)


class UrlToken(Scheme):
    """The URL is `/api/webhooks/<path>/<token>`; whoever knows it may send. Nothing is signed: use HTTPS.

    A wrong token gets the 404 of an address that does not exist. Both tokens, current and previous, are good while it
    is changed at the sender.
    """

    name = "url-token"
    about = "senders that can keep nothing but a URL: Odoo, devices, spreadsheets"
    to_enter = "the token, 20 to 200 letters, digits, `-`, `_` or `~`"
    setup = "Enter the webhook's URL with `/` and the token behind it; keep it out of tickets and chats."
    strength: ClassVar[Strength] = "secret"
    content_types = ()

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request whose path ends with one of the tokens."""
        tokens = _tokens(secrets)
        presented = request.path.rpartition("/")[2]
        if presented in ("", TOKEN_SEGMENT):
            raise Unverified(Reason.CREDENTIAL_MISSING, "the path ends without a token")
        label = find_match([presented.encode("utf-8", "surrogatepass")], tokens)
        if label is None:
            raise Unverified(Reason.CREDENTIAL_WRONG)
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with the current token as the last segment of its path."""
        token = _tokens(secrets)[0][1].decode()
        path = f"{request.path.rpartition('/')[0]}/{token}"
        before, _, query = request.url.partition("?")
        url = f"{before.rpartition('/')[0]}/{token}" + (f"?{query}" if query else "")
        return replace(request, path=path, url=url)

    def carriers(self) -> Carriers:
        """The path's last segment."""
        return Carriers(last_segment=True)


def _tokens(secrets: Secrets | None) -> list[tuple[str, bytes]]:
    """Secrets that nobody guesses and every sender can write into a URL."""
    usable = secrets.usable() if secrets else []
    tokens = [(label, value.encode()) for label, value in usable if _TOKEN.fullmatch(value)]
    if not tokens:
        raise Unverified(
            Reason.SECRET_UNAVAILABLE, "the webhook's secret is not 20 to 200 letters, digits, '-', '_' or '~'"
        )
    return tokens
