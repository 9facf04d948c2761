"""The contact form, read, and its rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.contact_form import contact_form
from flows.contact_message import DEFAULT_OWNER, ContactMessage, Rule, mailbox_of, owner_of
from flows.nodes.send_email import plan
from flows.request_body import problems_of
from receiver.contract.definition import get_definition
from receiver.contract.errors import Unusable
from receiver.ingress.schema import BodySchema, compile_schema

PAYLOADS = Path(__file__).parents[2] / "payloads" / "contact_form"


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def schema() -> BodySchema:
    definition = get_definition(contact_form)
    assert definition is not None and definition.body_schema is not None
    return compile_schema(definition.body_schema)


def problems(data: Any) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as caught:
        ContactMessage.model_validate(data)
    return problems_of(caught.value)


@pytest.mark.parametrize(
    ("name", "email", "topic"),
    [
        ("form__whole", "oksana.marchenko@example.com", "Sales"),
        ("form__without-address", None, None),
        ("form__name-alone", None, None),
    ],
)
def test_a_form_is_read_and_what_is_empty_is_missing(name, email, topic):
    schema().check(payload(name))
    form = ContactMessage.model_validate(payload(name))

    assert (form.email, form.topic) == (email, topic)
    assert form.name


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (payload("refused__malformed-address"), [{"path": "/email", "problem": "is not an e-mail address"}]),
        (payload("refused__nothing-said"), [{"path": "", "problem": "give a name or a message"}]),
        ({"message": "a\x00b"}, [{"path": "/message", "problem": "holds a NUL character"}]),
    ],
)
def test_what_only_the_flow_can_tell_is_told_with_its_place(data, expected):
    schema().check(data)
    assert problems(data) == expected


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([], ""),
        (None, ""),
        ({"name": {"first": "Ada"}}, "/name"),
        ({"name": ["Ada", "Bob"]}, "/name"),
        ({"name": "a" * 201}, "/name"),
        ({"name": "Ada", "message": "a" * 20_001}, "/message"),
        ({"name": "Ada", "email": "a" * 255}, "/email"),
    ],
)
def test_what_the_schema_turns_away_the_flow_turns_away_too(data, path):
    with pytest.raises(Unusable) as caught:
        schema().check(data)
    assert [problem["path"] for problem in caught.value.problems] == [path]
    assert [problem["path"] for problem in problems(data)] == [path]


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example..com",
        ".ada@example.com",
        "ada.@example.com",
        "a b@example.com",
        "ada@example.com\nBcc: all@example.com",
        "Ada <ada@example.com>",
        "ada@example.com,bob@example.com",
        "ada@exa mple.com",
        "ada@-example.com",
        f"{'a' * 65}@example.com",
        "a@b@example.com",
    ],
)
def test_what_is_no_single_address_is_refused(address):
    assert [problem["path"] for problem in problems({"name": "Ada", "email": address})] == ["/email"]


@given(
    local=st.from_regex(r"[\w!#$%&'*+/=?^`{|}~.-]{1,20}", fullmatch=True),
    domain=st.from_regex(r"[\w.-]{1,20}", fullmatch=True),
)
def test_every_address_that_is_taken_can_be_written_to(local, domain):
    try:
        form = ContactMessage.model_validate({"name": "Ada", "email": f"{local}@{domain}.com"})
    except ValidationError:
        return
    now = datetime(2026, 1, 1, tzinfo=UTC)
    message = plan(form.email, "Thank you", "text", sender="a@example.com", message_id="1", now=now)
    assert [address.addr_spec for address in message["To"].addresses] == [form.email]


@pytest.mark.parametrize(
    ("topic", "region", "owner"),
    [
        ("billing", None, "billing@example.com"),
        ("  Refund ", "UA", "billing@example.com"),
        ("SALES", "ua", "sales-ua@example.com"),
        ("sales", "PL", "sales@example.com"),
        ("a broken lamp", "UA", "support-ua@example.com"),
        ("a broken lamp", None, DEFAULT_OWNER),
        (None, None, DEFAULT_OWNER),
    ],
)
def test_the_first_rule_that_fits_names_the_owner(topic, region, owner):
    assert owner_of(ContactMessage(name="Ada", topic=topic, region=region)) == owner


def test_rules_and_default_are_ones_own():
    rules = [Rule(owner="ivan@example.com", regions=frozenset({"ua"}))]

    assert owner_of(ContactMessage(name="Ada", region="UA"), rules, "x@example.com") == "ivan@example.com"
    assert owner_of(ContactMessage(name="Ada"), rules, "x@example.com") == "x@example.com"


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [("ada@example.com", "ada@example.com"), ("ada+1+2@example.com", "ada@example.com"), ("+@x.com", "+@x.com")],
)
def test_a_mailbox_is_one_however_its_address_is_tagged(email, mailbox):
    assert mailbox_of(email) == mailbox
