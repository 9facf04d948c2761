"""Whether a secret is one that its scheme can use, before any request comes. Pure."""

from __future__ import annotations

from datetime import datetime

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Scheme, Secrets
from receiver.ingress.verify.python_function import Python


def secret_problem(scheme: Scheme, secrets: Secrets | None, now: datetime) -> str:
    """Why no request could be verified with this secret, a missing part by its name, never a value; empty where it can.

    An empty request is refused for what it lacks, unless the secret is no use: that is said first.
    """
    if isinstance(scheme, Python):
        return ""  # a project's own function is called for requests alone
    empty = RawRequest(
        method="POST",
        path="/api/webhooks/check",
        query_string="",
        headers=(),
        body=b"",
        wire_body=b"",
        client_ip="127.0.0.1",
        url="http://127.0.0.1/api/webhooks/check",
        received_at=now,
    )
    try:
        scheme.verify(empty, secrets, now)
    except Unverified as refusal:
        return refusal.detail if refusal.reason is Reason.SECRET_UNAVAILABLE else ""
    return ""
