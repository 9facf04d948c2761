"""What a flow that waits for a person and the receiver agree on: the token of the link, and what Prefect keeps of it.

Both are inputs of the flow run in Prefect: `approval-<key>` holds the question, `approval-<key>--decision` the answer.
Prefect keeps one input of a name, so that the answer is given once. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

MAX_QUESTION = 4_000
MAX_COMMENT = 2_000
_TOKEN = re.compile(r"([0-9a-f]{32})\.([a-z0-9-]{1,60})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A link's token, `<flow run>.<key>.<secret>`. Whoever has it may decide; the secret is 32 random bytes."""

    flow_run_id: str
    key: str
    secret: str

    def __str__(self) -> str:
        return f"{UUID(self.flow_run_id).hex}.{self.key}.{self.secret}"

    @classmethod
    def parse(cls, text: str) -> Token | None:
        """The token in a text, None in any text that is none."""
        found = _TOKEN.fullmatch(text)
        return cls(flow_run_id=str(UUID(found[1])), key=found[2], secret=found[3]) if found else None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, until when, and the SHA-256 of the token that may answer: Prefect never has the token."""

    text: str
    expires_at: datetime
    digest: str

    def opened_by(self, token: Token) -> bool:
        """Whether the token is the one that was made for this question."""
        return hmac.compare_digest(self.digest, digest_of(str(token)))

    def dump(self) -> str:
        """As Prefect keeps it."""
        return json.dumps({"text": self.text, "expires_at": self.expires_at.isoformat(), "digest": self.digest})

    @classmethod
    def load(cls, text: str) -> Question:
        """What `dump` made."""
        kept = json.loads(text)
        return cls(text=kept["text"], expires_at=datetime.fromisoformat(kept["expires_at"]), digest=str(kept["digest"]))


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person decided; `comment` is their own words, perhaps none."""

    approved: bool
    comment: str = ""
    decided_at: datetime

    def dump(self) -> str:
        """As Prefect keeps it."""
        return json.dumps(
            {"approved": self.approved, "comment": self.comment, "decided_at": self.decided_at.isoformat()}
        )

    @classmethod
    def load(cls, text: str) -> Decision:
        """What `dump` made."""
        kept = json.loads(text)
        return cls(
            approved=kept["approved"] is True,
            comment=str(kept["comment"]),
            decided_at=datetime.fromisoformat(kept["decided_at"]),
        )


def question_name(key: str) -> str:
    """The input that holds the question."""
    return f"approval-{key}"


def decision_name(key: str) -> str:
    """The input that holds the answer; no key holds two dashes together, so it is no question."""
    return f"approval-{key}--decision"


def digest_of(token: str) -> str:
    """By which a token is known."""
    return hashlib.sha256(token.encode()).hexdigest()
