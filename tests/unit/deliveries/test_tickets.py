from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.deliveries.tickets import Tickets

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TICKETS = Tickets(b"k" * 32, timedelta(hours=1))


def test_a_ticket_opens_its_own_delivery_until_it_expires():
    token = TICKETS.make("d1", NOW)
    assert TICKETS.good("d1", token, NOW + timedelta(minutes=59))
    assert not TICKETS.good("d1", token, NOW + timedelta(minutes=61))
    assert not TICKETS.good("d2", token, NOW)


def test_a_ticket_of_another_installation_opens_nothing():
    assert not Tickets(b"x" * 32).good("d1", TICKETS.make("d1", NOW), NOW)


def test_a_later_expiry_cannot_be_written_over_a_signed_one():
    expires, _, signature = TICKETS.make("d1", NOW).partition(".")
    assert not TICKETS.good("d1", f"{int(expires, 16) + 10**6:x}.{signature}", NOW)


@given(st.text(max_size=200))
def test_any_other_text_is_no_ticket(token: str):
    assert not TICKETS.good("d1", token, NOW)


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        Tickets(b"short")
