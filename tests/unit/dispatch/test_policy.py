from datetime import UTC, datetime, timedelta

import pytest

from receiver.contract.reasons import Reason
from receiver.dispatch.policy import POISON_TRIES, GiveUp, Started, TryAgain, backoff, judge, kept_due
from receiver.prefect_gateway import Handover, Outcome

LATER = Handover(outcome=Outcome.RETRY_LATER, detail="Prefect answered 503")


@pytest.mark.parametrize("outcome", [Outcome.CREATED, Outcome.EXISTS])
def test_a_run_that_exists_is_started_whoever_created_it(outcome: Outcome):
    assert judge(Handover(outcome=outcome, flow_run_id="r"), tries=1, alone=0, jitter=0) == Started("r")


def test_a_missing_deployment_gives_up_with_that_reason():
    verdict = judge(Handover(outcome=Outcome.DEPLOYMENT_MISSING, detail="gone"), tries=1, alone=0, jitter=0)
    assert verdict == GiveUp(Reason.DEPLOYMENT_MISSING, "gone")


def test_what_prefect_refuses_for_good_is_given_up_at_once():
    verdict = judge(Handover(outcome=Outcome.PERMANENT, detail="Prefect answered 422"), tries=1, alone=0, jitter=0)
    assert verdict == GiveUp(Reason.HANDOVER_REFUSED, "Prefect answered 422")


def test_an_outage_never_kills_a_delivery():
    assert isinstance(judge(LATER, tries=10_000, alone=0, jitter=0.5), TryAgain)


def test_what_fails_again_and_again_while_prefect_is_healthy_is_given_up():
    assert isinstance(judge(LATER, tries=10_000, alone=POISON_TRIES - 1, jitter=0.5), TryAgain)
    assert isinstance(judge(LATER, tries=POISON_TRIES, alone=POISON_TRIES, jitter=0.5), GiveUp)


def test_what_an_outage_refused_keeps_its_place_in_the_queue_but_not_for_ever():
    due, later = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    assert kept_due(due, later, tries=3) == due
    assert kept_due(due, later, tries=4) == later


def test_waits_double_to_a_minute_and_are_spread():
    assert backoff(1, 1.0) == timedelta(seconds=1)
    assert backoff(3, 1.0) == timedelta(seconds=4)
    assert backoff(10_000, 1.0) == timedelta(seconds=60)
    assert backoff(10_000, 0.0) == timedelta(seconds=30)
