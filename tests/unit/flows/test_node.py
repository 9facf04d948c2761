"""What every node has in common."""

import pytest
from prefect.states import Failed as FailedState
from prefect.states import StateType

from blocks.errors import Failed, TryAgain
from flows.nodes import create_record
from flows.nodes._node import LONGEST_WAIT, readable_name, worth_retrying


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"to": "ada@example.com", "subject": "Hi"}, "to ada@example.com: Hi"),
        ({"to": ["ada@example.com"], "subject": "two\nlines"}, "to ada@example.com: two\\nlines"),
        ({"to": ["a@b.c", "d@e.f"], "subject": "{to} {0}"}, "to 2 items: {to} {0}"),
        ({"to": "https://u:p@host/?token=x", "subject": ""}, "to https://********@host/?token=********:"),
    ],
)
def test_a_run_name_is_one_readable_line_without_credentials(parameters, name):
    assert readable_name("to {to}: {subject}", parameters) == name


def test_a_run_name_is_short():
    assert len(readable_name("{x}", {"x": "long " * 100})) == 120


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (TryAgain("busy"), True),
        (TryAgain("busy", after=0.01), True),
        (TryAgain("busy", after=LONGEST_WAIT + 1), False),
        (Failed("no"), False),
        (ValueError("wrong"), False),
        (TimeoutError(), False),
    ],
)
async def test_only_a_passing_trouble_is_tried_again(error, again):
    state = FailedState(data=error)
    assert state.type is StateType.FAILED

    assert await worth_retrying(create_record, None, state) is again
