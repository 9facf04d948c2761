"""The scheme `gitlab`: the webhook's secret token, or its signing token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from receiver.ingress.request import RawRequest
from receiver.ingress.verify.api_key import ApiKey
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, SwitchOff, Verified
from receiver.ingress.verify.hmac_signature import HmacScheme
from receiver.ingress.verify.options import SchemeOptions, read_options

_SECRET_TOKEN = {"header": "X-Gitlab-Token"}
_SIGNING_TOKEN = {
    "header": "webhook-signature",
    "separator": " ",
    "prefix": "v1,",
    "encoding": "base64",
    "key": "whsec",
    "timestamp_header": "webhook-timestamp",
    "signed": "{header:webhook-id}.{timestamp}.{body}",
}


class GitLabOptions(SchemeOptions):
    """Which of GitLab's two ways the webhook uses."""

    token: Literal["secret", "signing"] = Field(
        default="secret",
        description="`secret`: the secret token in X-Gitlab-Token, nothing is signed; `signing`: the signing token "
        "(`whsec_...`), with which GitLab signs id, time and body.",
    )
    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=300, description="With a signing token: seconds a signature is good for; null: any age is taken."
    )

    @model_validator(mode="after")
    def _has_time(self) -> Self:
        if self.token == "secret" and "tolerance" in self.model_fields_set:  # noqa: S105 (the name of a variant)
            raise ValueError("a secret token carries no timestamp; 'tolerance' is for the signing token")
        return self


class GitLab(Scheme):
    """GitLab. With a signing token the signature is needed: a secret token beside it proves nothing more."""

    name = "gitlab"
    about = "GitLab"
    to_enter = "the webhook's secret token, or its signing token"
    setup = "With a signing token set the option token to signing: id, time and body are signed then."
    strength = "secret"
    options_model = GitLabOptions
    answer_deadline = 9
    hold_invalid = True
    switch_off = SwitchOff(
        in_a_row=4,
        then="disables the webhook, for longer each time, and after 40 for good",
        source="https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks",
    )
    event_id = "{{$context.headers.idempotency-key}}"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `token` (`secret` or `signing`), `tolerance` in seconds for the latter."""
        chosen = read_options(GitLabOptions, self.name, options)
        self._signs = chosen.token == "signing"  # noqa: S105 (the name of a variant)
        self._way: Scheme = (
            HmacScheme({**_SIGNING_TOKEN, "tolerance": chosen.tolerance}) if self._signs else ApiKey(_SECRET_TOKEN)
        )

    def shows_secret(self) -> bool:
        """The secret token is shown, the signing token is not."""
        return not self._signs

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request with one of the tokens, or signed with one of them."""
        return replace(self._way.verify(request, secrets, now), scheme=self.name)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request as GitLab sends it."""
        return self._way.sign(request, secrets, now)

    def carriers(self) -> Carriers:
        """The headers of both ways: a webhook in GitLab may have both tokens at once."""
        return Carriers(headers=frozenset({"x-gitlab-token", "webhook-signature"}))
