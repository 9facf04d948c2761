"""What people are told, as text, as JSON and as an event. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from receiver.alerts.book import Kind
from receiver.alerts.trouble import Trouble, about, moment

_WORDS = {Kind.RAISED: "Warning", Kind.REMINDED: "Still", Kind.RESOLVED: "Over", Kind.TEST: "Test"}
_MOST_TOLD = 50
"""Of one message; of more the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something to tell. `id` is its own for as long as it is kept; `at` is when there was cause to tell it."""

    id: int
    kind: Kind
    trouble: Trouble
    raised_at: datetime
    at: datetime
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class Message:
    """Notices that go out together: one, or several as a digest. `id` is the same whenever it is tried again.

    `source` is the installation's address.
    """

    id: str
    notices: tuple[Notice, ...]
    source: str

    @property
    def subject(self) -> str:
        """One line."""
        if len(self.notices) > 1:
            raised = sum(each.kind is Kind.RAISED for each in self.notices)
            return f"Webhooks: {len(self.notices)} messages about warnings, {raised} of them new"
        return f"Webhooks: {_line(self.notices[0])}"

    @property
    def text(self) -> str:
        """All of it, for people."""
        parts = [_paragraph(each) for each in self.notices[:_MOST_TOLD]]
        if (more := len(self.notices) - _MOST_TOLD) > 0:
            parts.append(f"And {more} more: webhooks alerts")
        return "\n\n".join([*parts, f"Installation: {self.source}"])

    def document(self, at: datetime) -> dict[str, Any]:
        """As a chat's incoming webhook takes it (`text`), and as Standard Webhooks has it."""
        kind = str(self.notices[0].kind) if len(self.notices) == 1 else "digest"
        return {
            "text": self.text,
            "type": f"webhooks.alert.{kind}",
            "timestamp": at.isoformat(),
            "data": {"source": self.source, "alerts": [plain(each) for each in self.notices[:_MOST_TOLD]]},
        }


def plain(notice: Notice) -> dict[str, Any]:
    """A notice as plain data."""
    return {
        "kind": str(notice.kind),
        "rule": str(notice.trouble.rule),
        "subject": notice.trouble.subject,
        "resource": about(notice.trouble.rule, notice.trouble.subject),
        "summary": notice.trouble.summary,
        "remedy": notice.trouble.remedy,
        "raised_at": notice.raised_at.isoformat(),
        "at": notice.at.isoformat(),
    }


def _line(notice: Notice) -> str:
    return f"{_WORDS[notice.kind]}: {notice.trouble.summary}"


def _paragraph(notice: Notice) -> str:
    line = _line(notice)
    if notice.kind is Kind.RESOLVED:
        return f"{line}\nIt was raised at {moment(notice.raised_at)}."
    if notice.kind is Kind.REMINDED:
        line += f"\nRaised at {moment(notice.raised_at)}."
    return f"{line}\n{notice.trouble.remedy}"
