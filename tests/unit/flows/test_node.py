"""What every node has in common."""

from typing import Any

import pytest
from prefect import State
from prefect.client.schemas.objects import TaskRun
from prefect.states import Failed as FailedState

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
    state: State[Any] = FailedState(data=error)
    run = TaskRun(task_key="create_record", dynamic_key="0")

    assert await worth_retrying(create_record, run, state) is again
