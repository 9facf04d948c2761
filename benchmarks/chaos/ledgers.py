"""What is compared afterwards: each side's own record of the same deliveries. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Try:
    """One request of the sender. `status` is None when no answer came, `delivery` what an answer of success named."""

    at: float
    answered_at: float | None = None
    status: int | None = None
    delivery: str | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the answer was a success."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(kw_only=True)
class Sent:
    """An event as its sender knows it. `given_up` when the sender hung up on purpose and did not come back."""

    event: str
    webhook: str
    tries: list[Try] = field(default_factory=list)
    given_up: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether the sender was ever told that we have it."""
        return any(one.acknowledged for one in self.tries)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A delivery in the inbox. `runs` are the flow runs of its attempts."""

    id: str
    webhook: str
    event: str | None
    status: str
    reason: str | None = None
    duplicate_of: str | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A state that Prefect recorded of a run: its type, in capitals."""

    type: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A row that a flow wrote."""

    event: str
    delivery: str
    attempt: int
    pid: int
    at: float


class Kind(StrEnum):
    """What is done to a part; the value is its name in the table."""

    KILL = "kill -9"
    STOP = "SIGTERM"
    PAUSE = "SIGSTOP"
    CUT = "connections cut"
    DELAY = "connections slow"
    MUTE = "answers lost"
    LOCK = "database locked"
    FULL = "disk full"
    CLOCK = "clock wrong"


@dataclass(frozen=True, kw_only=True)
class Injected:
    """A fault as it was injected. `ended` is when we took it back; a killed part needs longer to be there again."""

    kind: Kind
    part: str
    began: float
    ended: float


@dataclass(frozen=True, kw_only=True)
class Ledgers:
    """All of them. `runs` are the states of each flow run, oldest first."""

    sent: Sequence[Sent]
    stored: Sequence[Stored]
    runs: Mapping[str, Sequence[RunState]]
    effects: Sequence[Effect]
    faults: Sequence[Injected] = ()
