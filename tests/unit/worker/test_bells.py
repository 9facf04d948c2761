"""What was heard of is looked for until it is seen, taken by another, or given up."""

from __future__ import annotations

from uuid import UUID, uuid4

from flows.worker.bells import MOST, PAUSES, Bells

RUN, OTHER = UUID(int=1), UUID(int=2)


def _rung(*runs: UUID) -> Bells:
    bells = Bells()
    for run in runs:
        bells.ring(run)
    return bells


def test_a_run_that_is_seen_is_looked_for_no_more() -> None:
    bells = _rung(RUN)
    assert bells.looked(bells.ringing, {RUN}) == (None, False)
    assert not bells.ringing


def test_a_run_whose_event_came_before_its_commit_is_looked_for_again_soon() -> None:
    bells = _rung(RUN)
    assert bells.looked(bells.ringing, set()) == (PAUSES[0], False)
    assert bells.looked(bells.ringing, {RUN}) == (None, False)


def test_pauses_grow_and_what_does_not_come_is_given_up_once() -> None:
    bells = _rung(RUN)
    found = [bells.looked(bells.ringing, set()) for _ in range(len(PAUSES) + 2)]
    assert found == [*((pause, False) for pause in PAUSES), (None, True), (None, False)]
    assert list(PAUSES) == sorted(PAUSES)


def test_what_rings_during_a_look_has_not_been_looked_for() -> None:
    bells = _rung(RUN)
    sought = bells.ringing
    bells.ring(OTHER)
    assert bells.looked(sought, {RUN}) == (None, False), "its own bell asks for the next look"
    assert bells.ringing == {OTHER}
    assert bells.looked(bells.ringing, set()) == (PAUSES[0], False)


def test_the_next_look_comes_when_the_most_impatient_run_wants_it() -> None:
    bells = _rung(RUN)
    for _ in range(3):
        bells.looked(bells.ringing, set())
    bells.ring(OTHER)
    assert bells.looked(bells.ringing, set()) == (PAUSES[0], False)


def test_a_run_that_another_worker_took_is_forgotten() -> None:
    bells = _rung(RUN)
    bells.looked(bells.ringing, set())
    bells.answered(RUN)
    bells.answered(OTHER)
    assert bells.looked(frozenset({RUN}), set()) == (None, False)


def test_a_run_that_is_heard_of_again_has_all_its_looks_again() -> None:
    bells = _rung(RUN)
    for _ in PAUSES:
        bells.looked(bells.ringing, set())
    bells.ring(RUN)
    assert bells.looked(bells.ringing, set()) == (PAUSES[0], False)


def test_of_more_bells_than_can_be_answered_the_oldest_are_left_to_polling() -> None:
    bells = Bells()
    rung = [uuid4() for _ in range(MOST + 2)]
    for run in rung:
        bells.ring(run)
    assert bells.ringing == frozenset(rung[2:])
