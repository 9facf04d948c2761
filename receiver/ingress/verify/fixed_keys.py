"""Senders that show a fixed key in a place of their own: Pipedrive, Odoo, Zoho CRM."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.api_key import ApiKey
from receiver.ingress.verify.authorization import Basic
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.json_body import json_object
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.wire import with_field

_TOKEN = "token"  # noqa: S105 (the name of a field)


class Pipedrive(Basic):
    """Pipedrive logs in with what was given when the webhook was made. The body is not signed."""

    name = "pipedrive"
    about = "Pipedrive"
    setup = "Give user and password as HTTP Auth when the webhook is made."
    hold_invalid = True
    content_types = ("application/json",)


class OdooOptions(SchemeOptions):
    """Where the key stands."""

    query: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        default="token", description="Query parameter of the URL that carries the key."
    )


class Odoo(ApiKey):
    """Odoo can do no more than call a URL: the key is a part of it. Odoo waits for one second; take mode `async`."""

    name = "odoo"
    about = "Odoo, server action Send Webhook Notification"
    to_enter = "a random text of yours"
    setup = "Append ?token=<secret> to the URL of the action."
    content_types = ("application/json",)
    options_model = OdooOptions
    hold_invalid = True
    answer_deadline = 0.8

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `query`, the parameter's name."""
        super().__init__({"query": read_options(OdooOptions, self.name, options).query})


class ZohoCrm(Scheme):
    """Zoho CRM's notifications repeat the `token` of their subscription in the body. Nothing is signed."""

    name = "zoho-crm"
    about = "Zoho CRM notifications"
    to_enter = "a random text of yours, at most 50 characters"
    setup = "Give the same text as `token` when the channel is enabled."
    strength = "secret"
    hold_invalid = True

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request that shows one of the secrets."""
        keys = decode_keys(secrets)
        token = json_object(request.body).get(_TOKEN)
        if token is None or token == "":
            raise Unverified(Reason.CREDENTIAL_MISSING, "the body has no 'token'")
        if not isinstance(token, str):
            raise Unverified(Reason.CREDENTIAL_MALFORMED, "the body's 'token' is no text")
        label = find_match([token.encode("utf-8", "surrogatepass")], keys)
        if label is None:
            raise Unverified(Reason.CREDENTIAL_WRONG)
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with the current token in its JSON object."""
        return with_field(request, _TOKEN, decode_keys(secrets)[0][1].decode())

    def carriers(self) -> Carriers:
        """The body's token."""
        return Carriers(body_fields=frozenset({_TOKEN}))
