"""The scheme `none`: an open webhook, said in so many words."""

from __future__ import annotations

from datetime import datetime

from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified


class Open(Scheme):
    """Anybody may call. Combine it with an address allowlist, or accept that nothing about the sender is known."""

    name = "none"
    about = "anybody; combine it with `ip_allowlist`"
    strength = "none"
    content_types = ()
    needs_secret = False

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept every request."""
        return Verified(scheme=self.name)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request itself."""
        return request

    def carriers(self) -> Carriers:
        """No place: there is no credential."""
        return Carriers()
