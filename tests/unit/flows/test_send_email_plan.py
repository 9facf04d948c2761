"""The message that `send_email` makes."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InvalidInput

plan = import_module("flows.nodes.send_email").plan
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
FIXED = {"sender": "Bot <bot@example.com>", "message_id": "run-1", "now": NOW}


def test_it_has_what_a_mail_server_wants():
    message = plan("ada@example.com", "Hello", "text", **FIXED)

    assert message["From"] == "Bot <bot@example.com>"
    assert message["Message-ID"] == "<run-1@example.com>"
    assert message["Date"] == "Sun, 01 Mar 2026 10:00:00 +0000"
    assert message.get_content() == "text\n"


def test_text_and_html_are_alternatives():
    message = plan("ada@example.com", "Hello", "text", "<p>html</p>", **FIXED)

    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    "to",
    [
        ["ada@example.com", "Bob <bob@example.com>"],
        "ada@example.com, Bob <bob@example.com>",
        ("ada@example.com, Bob <bob@example.com>",),
    ],
)
def test_several_recipients(to):
    assert [address.addr_spec for address in plan(to, "s", "t", **FIXED)["To"].addresses] == [
        "ada@example.com",
        "bob@example.com",
    ]


@pytest.mark.parametrize("attack", ["x\r\nBcc: all@example.com", "x\nBcc: all@example.com", "x\rBcc: a@b.c", "x\0"])
def test_a_line_break_in_a_header_is_refused(attack):
    for to, subject in [("ada@example.com", attack), (f"ada@example.com{attack}", "s"), (f"{attack} <a@b.c>", "s")]:
        with pytest.raises(InvalidInput, match="could add headers of its own"):
            plan(to, subject, "t", **FIXED)


@pytest.mark.parametrize(
    "to", ["", "ada", "ada@", "@example.com", "a@b@c.d", "a b@example.com", [], ["ada@example.com", ""]]
)
def test_what_is_no_address_is_refused(to):
    with pytest.raises(InvalidInput):
        plan(to, "s", "t", **FIXED)


def test_more_than_a_hundred_recipients_are_refused():
    with pytest.raises(InvalidInput, match="101 recipients"):
        plan([f"a{number}@example.com" for number in range(101)], "s", "t", **FIXED)


@given(
    subject=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200),
    text=st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200),
)
def test_any_language_arrives_as_it_was_written(subject, text):
    message = message_from_bytes(plan("ада <ada@example.com>", subject, text, **FIXED).as_bytes(), policy=policy.SMTP)

    assert " ".join(message["Subject"].split()) == " ".join(subject.split())
    assert message.get_content().rstrip("\r\n") == text.rstrip("\r\n")
    assert message["To"].addresses[0].display_name == "ада"


@given(subject=st.text(), name=st.text(), text=st.text())
def test_whatever_is_given_makes_a_message_or_is_refused_and_never_adds_a_header(subject, name, text):
    try:
        message = plan(f"{name} <ada@example.com>", subject, text, **FIXED)
    except InvalidInput:
        return
    names = {header.lower() for header in message_from_bytes(message.as_bytes())}
    assert names == {
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "auto-submitted",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    }
