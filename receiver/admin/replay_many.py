"""Replays of many: a page of deliveries at a time, the oldest first, each due when it is its turn.

The cursor carries what a chain of calls has in common: when it began, so that what comes or fails since is not among
it; and when the next turn is, so that the rate holds over all of its calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from receiver.admin.problems import Problem
from receiver.admin.replay_desk import ReplayDesk, under_way
from receiver.admin.replay_models import ManyAnswer, ManyRequest, Skipped
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.deliveries.records import Candidate, NewReplay
from receiver.storage.values import from_micros, to_micros

_BY_NAME = frozenset({Status.REJECTED, Status.FILTERED, Status.DUPLICATE, Status.SPLIT})
"""Replayed among many only where they are asked for by name: nobody means them by `since`."""
_AT_ONCE = 100
_LONGEST_QUEUE = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Where a chain of calls is: when it began, when the next turn is, behind which delivery."""

    began: datetime
    turn: datetime
    after: str = ""

    def cursor(self) -> str:
        """The chain as text."""
        return f"{to_micros(self.began)}.{to_micros(self.turn)}.{self.after}"

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> Chain:
        """The chain of a cursor, a new one without; raises a 422 for text that is none."""
        if cursor is None:
            return cls(began=now, turn=now)
        began, _, rest = cursor.partition(".")
        turn, _, after = rest.partition(".")
        try:
            chain = cls(began=from_micros(int(began)), turn=from_micros(int(turn)), after=after)
        except (ValueError, OverflowError):
            raise Problem(422, "cursor: is no `next_cursor` of an earlier call") from None
        if chain.turn > now + _LONGEST_QUEUE:
            raise Problem(422, f"cursor: the queue would be over {_LONGEST_QUEUE.days} days long; wait, or be faster")
        return replace(chain, turn=max(chain.turn, now))


async def replay_many(desk: ReplayDesk, asked: ManyRequest) -> ManyAnswer:
    """Replay a page of what is asked for, or tell what would be done."""
    store, by, now = desk.services.deliveries, desk.who.by(), desk.services.now()
    chain = Chain.of(asked.cursor, now)
    which = asked.which()
    which = replace(which, until=min(which.until or chain.began, chain.began))
    page = await store.candidates(which, asked.limit, chain.after)
    pace, turn = timedelta(seconds=1 / asked.per_second), chain.turn
    done: list[str] = []
    skipped: list[Skipped] = []
    for start in range(0, len(page), _AT_ONCE):
        decided: list[NewReplay] = []
        for found in page[start : start + _AT_ONCE]:
            try:
                refuse_unnamed(found, asked)
                decided.append(await desk.decide(found, turn))
            except Problem as problem:
                skipped.append(Skipped(id=found.id, why=problem.detail))
            else:
                turn += pace
        made = [each.after + 1 for each in decided] if asked.dry_run else await store.replay(decided, by, now)
        for each, number in zip(decided, made, strict=True):
            if number is None:
                skipped.append(Skipped(id=each.delivery_id, why=moved_on().detail))
            else:
                done.append(each.delivery_id)
    more = Chain(began=chain.began, turn=turn, after=page[-1].id).cursor() if len(page) == asked.limit else None
    return ManyAnswer(replayed=len(done), delivery_ids=done, skipped=skipped, warnings=desk.warnings, next_cursor=more)


def refuse_unnamed(found: Candidate, asked: ManyRequest) -> None:
    """Raise the `Problem` of a delivery that has to be asked for by its status, or is under way."""
    if found.status in UNFINISHED:
        raise under_way(found.status)
    if found.status in _BY_NAME and found.status not in asked.names and asked.ids is None:
        raise Problem(409, f"It is {found.status}: such ones are replayed when they are asked for by that status.")


def moved_on() -> Problem:
    """A 409 for a delivery that is not as it was when it was looked at."""
    return Problem(409, "It has changed meanwhile: somebody replayed it, or its run went on. Look at it again.")
