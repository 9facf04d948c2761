"""The circuit breaker."""

from receiver.dispatch.breaker import Breaker


def stands(breaker: Breaker) -> str:
    return breaker.state.value


def test_a_failure_opens_it_and_one_probe_is_let_through_when_its_wait_is_over() -> None:
    breaker = Breaker()
    assert breaker.failed(100.0, jitter=1.0) and stands(breaker) == "open"
    assert breaker.wait(100.0) == 0.25 and not breaker.probe(100.2)
    assert breaker.wait(100.3) == 0 and breaker.probe(100.3)
    assert stands(breaker) == "half-open" and not breaker.probe(200.0)
    assert breaker.answered() and stands(breaker) == "closed"


def test_each_probe_in_vain_makes_the_next_wait_longer_up_to_four_seconds() -> None:
    breaker, now, waits = Breaker(), 0.0, []
    for _ in range(7):
        breaker.failed(now, jitter=1.0)
        waits.append(breaker.wait(now))
        now += waits[-1]
        assert breaker.probe(now)
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_waits_are_spread_over_their_upper_half() -> None:
    breaker = Breaker()
    breaker.failed(0.0, jitter=0.0)
    assert breaker.wait(0.0) == 0.125


def test_it_opens_once_however_many_fail_together_and_begins_anew_after_an_answer() -> None:
    breaker = Breaker()
    assert [breaker.failed(float(number), jitter=1.0) for number in range(5)] == [True, False, False, False, False]
    assert breaker.wait(0.0) == 0.25
    assert [breaker.answered(), breaker.answered()] == [True, False]
    assert breaker.failed(50.0, jitter=1.0) and breaker.wait(50.0) == 0.25


def test_a_probe_in_vain_is_no_new_outage() -> None:
    breaker = Breaker()
    breaker.failed(0.0, jitter=1.0)
    assert breaker.probe(1.0) and not breaker.failed(1.0, jitter=1.0) and stands(breaker) == "open"
