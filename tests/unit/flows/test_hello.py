"""The greeting reads its message from anything."""

import pytest

from flows.hello import message_of


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"event": "test", "data": {"message": "Hello"}}, "Hello"),
        ({"data": {"message": ""}}, "nothing"),
        ({"data": {"message": 3}}, "nothing"),
        ({"data": []}, "nothing"),
        ([1], "nothing"),
        ("text", "nothing"),
        (None, "nothing"),
    ],
)
def test_the_message_is_found_or_is_nothing(data, message):
    assert message_of(data) == message
