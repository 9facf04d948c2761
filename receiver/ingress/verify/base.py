"""What a verification scheme is. One scheme is one file or one row of data; the conformance suite finds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from receiver.ingress.request import RawRequest


@dataclass(frozen=True)
class Secrets:
    """The values a webhook's secret reference stands for: `current` first, then the previous ones in rotation.

    An empty or blank value is no secret: `usable()` leaves it out, and a scheme without any usable secret refuses
    everything.
    """

    current: str
    previous: tuple[str, ...] = ()

    def usable(self) -> list[tuple[str, str]]:
        """`(label, value)` of each secret that is not blank; labels are `current`, `previous-1`, `previous-2`, ..."""
        labelled = [("current", self.current)]
        labelled += [(f"previous-{number}", value) for number, value in enumerate(self.previous, 1)]
        return [(label, value) for label, value in labelled if value.strip()]

    def __repr__(self) -> str:
        return f"Secrets(current=***, previous={len(self.previous)})"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """Proof that a scheme accepted a request: only `Scheme.verify` makes one. `secret` is the label that matched."""

    scheme: str
    secret: str | None = None


@dataclass(frozen=True, kw_only=True)
class Carriers:
    """Every place where a scheme's credential travels; masked before anything is stored, logged or passed on.

    Header names are lower-case; query and body names are as sent (body fields: top level of JSON and forms).
    """

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    body_fields: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """The answer to a sender's check of the URL: no flow, no run, no delivery that counts."""

    status: int = 200
    body: bytes = b""
    content_type: Literal["text/plain", "application/json"] = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


class Scheme(ABC):
    """One way of proving where a request comes from. Built once from a webhook's `verification`, used for each request.

    Subclasses raise `DefinitionError` in `__init__` for options they cannot use (unknown ones included), and exactly
    one exception type from `verify`, `Unverified`, whatever the bytes.
    """

    name: ClassVar[str]
    needs_secret: ClassVar[bool] = True
    default_max_body: ClassVar[int | None] = None
    hold_invalid: ClassVar[bool] = False
    """Whether `on_invalid` defaults to `hold` (senders that would switch us off when they are refused)."""
    answer_deadline: ClassVar[float | None] = None
    """Seconds in which a synchronous webhook answers, a little less than this sender waits."""
    event_id: ClassVar[str | None] = None
    """Template of the sender's event id, default of `deduplicate.key`: `{{$context.headers.x-github-delivery}}`."""

    split: ClassVar[str | None] = None
    """Template of the list of events in this sender's requests, default of `split`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the webhook's `verification` without `scheme` and `secret`."""
        if options:
            from receiver.contract.errors import DefinitionError

            raise DefinitionError(
                "verification", f"the scheme '{self.name}' takes no {', '.join(map(repr, sorted(options)))}"
            )

    @abstractmethod
    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request or raise `Unverified` with its reason. Compares in constant time, over the raw bytes."""

    @abstractmethod
    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The same request as the sender would send it, signed with the current secret (`webhooks send`, tests)."""

    @abstractmethod
    def carriers(self) -> Carriers:
        """Where this scheme's credentials travel."""

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002
        """The answer to a complete handshake, None for any other request; raises `Unverified` for a forged one."""
        return None

    def handshake_methods(self) -> frozenset[str]:
        """Methods besides the webhook's own with which this sender's handshake may come."""
        return frozenset()
