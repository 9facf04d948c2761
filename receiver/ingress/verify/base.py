"""What a verification scheme is. One scheme is one file or one row of data; the conformance suite finds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from receiver.contract.reply import Reply
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.options import SchemeOptions


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
class OpenedBody:
    """What an encrypted body said. It takes the received one's place in all that follows, stored row and replay too."""

    content: bytes
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """Proof that a scheme accepted a request: only `Scheme.verify` makes one. `secret` is the label that matched.

    `body` is None where the received body is meant as it is.
    """

    scheme: str
    secret: str | None = None
    body: OpenedBody | None = None
    mark: bytes = b""
    """What every copy of this request carries and no other request does (its signature), for the replay guard."""


@dataclass(frozen=True, kw_only=True)
class Carriers:
    """Every place where a scheme's credential travels; masked before anything is stored, logged or passed on.

    Header names are lower-case; query and body names are as sent (body fields: top level of JSON and forms).
    `body_paths` lie deeper in JSON, `("value", "*", "clientState")` with `*` for every item of a list; of XML and
    forms, every element or field with the last name of a path.
    `last_segment`: the path's last segment is the credential.
    """

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    body_fields: frozenset[str] = frozenset()
    body_paths: frozenset[tuple[str, ...]] = frozenset()
    last_segment: bool = False


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """The answer to a sender's check of the URL: no flow, no run, no delivery that counts.

    `confirm` is an address of the sender's that is fetched first, and whose 2xx is what makes the handshake complete.
    Its host is the scheme's to check; no redirect is followed.
    """

    status: int = 200
    body: bytes = b""
    content_type: Literal["text/plain", "application/json"] = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)
    confirm: str | None = None


@dataclass(frozen=True, kw_only=True)
class SwitchOff:
    """When a sender stops calling whoever does not answer 2xx: after so many failures in a row, or once their share
    within an hour is above `share`. `then` says what it does; `source` is where that is written."""

    in_a_row: int | None = None
    share: float | None = None
    then: str
    source: str


Strength = Literal["signed", "secret", "identifier", "none"]
"""What a scheme proves: the body is the sender's own; the sender knows a secret; no more than a name that others may
know too; nothing."""


class Scheme(ABC):
    """One way of proving where a request comes from. Built once from a webhook's `verification`, used for each request.

    Subclasses raise `DefinitionError` in `__init__` for options they cannot use (unknown ones included), and exactly
    one exception type from `verify`, `Unverified`, whatever the bytes.
    """

    name: ClassVar[str]
    about: ClassVar[str] = ""
    """Whom it is for, in a phrase: `GitHub`, `senders with Authorization: Bearer`."""
    to_enter: ClassVar[str] = ""
    """What is to be entered as the secret, in a phrase: `the webhook's secret`, `the app's client secret`."""
    setup: ClassVar[str] = ""
    """Where it is entered or found at the sender, and what else has to be chosen there; a sentence or none."""
    strength: ClassVar[Strength] = "signed"
    id_signed: ClassVar[bool] = False
    """Whether the signature covers `event_id`: nobody can send the same request again under another id."""
    guards_replay: ClassVar[bool] = False
    """Whether one `mark` under two event ids is a replay, unless `replay_guard` says otherwise. Not for senders whose
    signature does not cover the id and who may truly send the same bytes twice."""
    content_types: ClassVar[tuple[str, ...]] = ("application/json",)
    """What this sender's bodies are; none where it may be anything."""
    options_model: ClassVar[type[SchemeOptions] | None] = None
    """The options a webhook may set, each with its description; None where there are none."""
    handshake_is: ClassVar[str] = ""
    """The sender's check of the URL that is answered without a run, in a phrase: "`url_verification`"."""
    answer_is: ClassVar[str] = ""
    """What an accepted request is answered where this sender needs more than any 2xx, in a phrase."""
    needs_secret: ClassVar[bool] = True
    default_max_body: ClassVar[int | None] = None
    hold_invalid: ClassVar[bool] = False
    """Whether `on_invalid` defaults to `hold` (senders that would switch us off when they are refused)."""
    switch_off: ClassVar[SwitchOff | None] = None
    """When this sender stops calling; None where that is not known."""
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

    def takes_secret(self) -> bool:
        """Whether this webhook has a secret; some schemes have none with certain options."""
        return self.needs_secret

    def shows_secret(self) -> bool:
        """Whether the secret itself travels in each request, so that plain HTTP would give it away."""
        return self.strength == "secret"

    def signs_url(self) -> bool:
        """Whether the sender signs the address it calls: then the receiver has to know that address."""
        return False

    def secret_gap(self, secrets: Secrets) -> str:  # noqa: ARG002
        """What a secret lacks without which deliveries are verified all the same, and what is refused for it."""
        return ""

    @classmethod
    def options_taken(cls) -> dict[str, str]:
        """The options a webhook may set, by name, each with what it does."""
        fields = cls.options_model.model_fields if cls.options_model is not None else {}
        return {name: field.description or "" for name, field in fields.items()}

    @abstractmethod
    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request or raise `Unverified` with its reason. Compares in constant time, over the raw bytes."""

    @abstractmethod
    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The same request as the sender would send it, signed with the current secret (`webhooks send`, tests).

        Raises `Unverified` without a usable secret, `DefinitionError` where only the sender can sign: it alone has the
        private key.
        """

    @abstractmethod
    def carriers(self) -> Carriers:
        """Where this scheme's credentials travel."""

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002
        """The answer to a complete handshake, None for any other request; raises `Unverified` for a forged one."""
        return None

    def handshake_methods(self) -> frozenset[str]:
        """Methods besides the webhook's own with which this sender's handshake may come."""
        return frozenset()

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:  # noqa: ARG002
        """The answer that this sender needs to a request which `verify` accepted; None where any 2xx will do.

        Given to accepted, filtered, held and duplicate requests alike, unless the webhook has a `response`.
        """
        return None

    def unchanging(self, data: Any, body: bytes) -> bytes:  # noqa: ARG002
        """What stays the same in every repeat of an event: two of one id that differ in it are two events.

        `data` is the event and `body` its bytes, of a split request those of one item.
        """
        return body

    def documents(self, request: RawRequest) -> tuple[str, ...]:  # noqa: ARG002
        """The https URLs that must be fetched before this request can be judged: certificates, lists of keys.

        Nothing of the request is proven yet: the scheme has checked the host of each, or raises `Unverified`. What was
        fetched is in `request.documents` when `handshake`, `verify` and `answer` are asked.
        """
        return ()

    def outdated(self, request: RawRequest) -> bool:  # noqa: ARG002
        """Whether newer documents might serve a request better than the ones it has: a key that is not listed yet."""
        return False
