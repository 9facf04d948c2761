"""What a contact form sends, read, and the rules about it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from flows.request_body import optional_text

# Dots, a domain, and none of the characters with which a list of addresses or another header is made.
_WORD = r"[\w!#$%&'*+/=?^`{|}~-]+"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=.{{1,64}}@){_WORD}(?:\.{_WORD})*@(?:\w(?:[\w-]{{0,61}}\w)?\.)+\w{{2,63}}")


class ContactMessage(BaseModel):
    """The form's fields. All are optional, but either a name or a message has to be there."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: optional_text(200) = None  # type: ignore[valid-type]  # a type that a function makes
    email: optional_text(254) = None  # type: ignore[valid-type]  # likewise
    message: optional_text(20_000) = None  # type: ignore[valid-type]  # likewise
    topic: optional_text(100) = None  # type: ignore[valid-type]  # likewise
    region: optional_text(100) = None  # type: ignore[valid-type]  # likewise

    @field_validator("email")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not _ADDRESS.fullmatch(value):
            raise ValueError("is not an e-mail address")
        return value.lower() if value else None

    @model_validator(mode="after")
    def _something(self) -> ContactMessage:
        if self.name is None and self.message is None:
            raise ValueError("give a name or a message")
        return self


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Who answers for which topics and regions, in lower case; an empty set is any."""

    owner: str
    topics: frozenset[str] = field(default_factory=frozenset)
    regions: frozenset[str] = field(default_factory=frozenset)

    def fits(self, topic: str, region: str) -> bool:
        """Whether the rule speaks of both."""
        return (not self.topics or topic in self.topics) and (not self.regions or region in self.regions)


RULES = (
    Rule(owner="billing@example.com", topics=frozenset({"billing", "invoice", "refund"})),
    Rule(owner="sales-ua@example.com", topics=frozenset({"sales", "price"}), regions=frozenset({"ua"})),
    Rule(owner="sales@example.com", topics=frozenset({"sales", "price"})),
    Rule(owner="support-ua@example.com", regions=frozenset({"ua"})),
)
"""The first that fits decides. Put your own people here."""

DEFAULT_OWNER = "support@example.com"


def owner_of(message: ContactMessage, rules: Sequence[Rule] = RULES, default: str = DEFAULT_OWNER) -> str:
    """The person who is responsible for whoever sent this.

    >>> owner_of(ContactMessage(message="How much?", topic="Sales", region="PL"))
    'sales@example.com'
    """
    topic, region = (message.topic or "").casefold(), (message.region or "").casefold()
    return next((rule.owner for rule in rules if rule.fits(topic, region)), default)


def mailbox_of(email: str) -> str:
    """The address without what stands after a `+`: many addresses that reach one mailbox are one recipient.

    >>> mailbox_of("ada+shop@example.com")
    'ada@example.com'
    """
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
