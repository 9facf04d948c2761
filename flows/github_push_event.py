"""What GitHub sends for a push, read into what the workflow needs. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit of a push."""

    sha: str
    author: str
    message: str
    url: str
    committed_at: datetime | None

    @property
    def title(self) -> str:
        """The first line of its message."""
        return next(iter(self.message.splitlines()), "").strip() or "(no message)"

    def row(self, push_id: int) -> dict[str, Any]:
        """As the workflow stores it."""
        return {
            "push_id": push_id,
            "sha": self.sha,
            "author": self.author,
            "message": self.message,
            "url": self.url,
            "committed_at": self.committed_at,
        }


@dataclass(frozen=True, kw_only=True)
class Push:
    """A push: to a branch or a tag, with any number of commits (none when a branch is made, moved back or deleted)."""

    repository: str
    ref: str
    before: str
    after: str
    deleted: bool
    forced: bool
    pusher: str
    compare: str
    commits: tuple[Commit, ...]

    @property
    def branch(self) -> str | None:
        """The branch's name, which may hold slashes; None for a tag."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None

    def row(self, event_id: str, received_at: datetime) -> dict[str, Any]:
        """As the workflow stores it; `event_id` tells a second delivery of the same push."""
        return {
            "event_id": event_id,
            "repository": self.repository,
            "ref": self.ref,
            "branch": self.branch,
            "before": self.before,
            "after": self.after,
            "deleted": self.deleted,
            "forced": self.forced,
            "pusher": self.pusher,
            "received_at": received_at,
        }


def read_push(data: Any) -> Push:
    """The push in a request's body. Raises ValueError that names what is missing."""
    try:
        return Push(
            repository=data["repository"]["full_name"],
            ref=data["ref"],
            before=data["before"],
            after=data["after"],
            deleted=bool(data.get("deleted")),
            forced=bool(data.get("forced")),
            pusher=_name(data.get("pusher")),
            compare=str(data.get("compare") or ""),
            commits=tuple(_commit(commit) for commit in data.get("commits") or ()),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no push of GitHub's: {error!r}") from error


def summary(push: Push, run_name: str) -> str:
    """The e-mail that tells the team about a push to a branch that is deployed as `run_name`."""
    count = len(push.commits)
    verb = "force-pushed" if push.forced else "pushed"
    lines = [f"{push.pusher} {verb} {count or 'no'} commit{'' if count == 1 else 's'} to {push.branch or push.ref}", ""]
    lines += [f"* {commit.sha[:7]}  {commit.title}  ({commit.author})" for commit in push.commits[:_LISTED]]
    if count > _LISTED:
        lines.append(f"* and {count - _LISTED} more")
    if count:
        lines.append("")
    if push.compare:
        lines.append(f"Changes: {push.compare}")
    lines.append(f"The site is being deployed at {push.after[:7]}; Prefect's run is called {run_name}.")
    return "\n".join(lines) + "\n"


def _commit(data: Mapping[str, Any]) -> Commit:
    timestamp = data.get("timestamp")
    return Commit(
        sha=data["id"],
        author=_name(data.get("author")),
        message=data["message"],
        url=data.get("url") or "",
        committed_at=datetime.fromisoformat(timestamp) if timestamp else None,
    )


def _name(person: Mapping[str, Any] | None) -> str:
    """The name of a pusher or an author: one line, for names are free text."""
    given = (person or {}).get("name") or (person or {}).get("username") or (person or {}).get("email") or "somebody"
    return " ".join(str(given).split()) or "somebody"
