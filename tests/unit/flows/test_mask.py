"""What the log shows of a node's inputs and outputs."""

import json
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, SecretStr

from flows.nodes._mask import HIDDEN, masked, masked_text


class Account(BaseModel):
    name: str
    password: SecretStr


@dataclass
class Call:
    url: str
    api_key: str


@pytest.mark.parametrize(
    "value",
    [
        {"headers": {"Authorization": "Bearer s3cret"}},
        {"headers": [{"X-Api-Key": "s3cret"}]},
        {"client_secret": "s3cret", "access_token": "s3cret", "password": "s3cret", "Set-Cookie": "a=s3cret"},
        SecretStr("s3cret"),
        Account(name="bot", password=SecretStr("s3cret")),
        Call(url="https://bot:s3cret@example.com/?token=s3cret", api_key="s3cret"),
        "https://example.com/hook?a=1&api_key=s3cret&b=2",
        {"key": "s3cret"},
        "https://hooks.slack.com/commands/T1/2/s3cret",
        "https://oapi.dingtalk.com/robot/sendBySession?session=s3cret",
        ["postgresql://user:s3cret@db/name"],
        b"s3cret",
    ],
)
def test_no_credential_is_shown(value):
    assert "s3cret" not in masked(value)


def test_what_is_no_credential_is_shown():
    assert json.loads(masked({"table": "customers", "values": {"email": "a@b.c", "key_figures": 3, "note": None}})) == {
        "table": "customers",
        "values": {"email": "a@b.c", "key_figures": 3, "note": None},
    }


def test_columns_that_a_node_is_given_as_its_key_are_shown():
    given = {"table": "customers", "key": ["email"], "changes": [{"key": ["id", "source"]}]}
    assert json.loads(masked(given)) == given


def test_a_masked_field_keeps_its_name_and_an_empty_one_is_seen_to_be_empty():
    assert json.loads(masked({"token": "x", "password": None})) == {"token": HIDDEN, "password": None}


def test_long_and_deep_values_are_cut():
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]

    line = masked(
        {"text": "x" * 10_000, "list": list(range(1_000)), "map": {str(i): i for i in range(99)}, "deep": deep}
    )

    assert "(10000 characters)" in line
    assert "... (1000 items)" in line
    assert '"...": "(99 items)"' in line
    assert "bottom" not in line
    assert len(masked({str(index): "x" * 300 for index in range(20)})) < 4_100


def test_text_keeps_everything_but_credentials():
    assert (
        masked_text("GET https://u:p@h/x?page=2&sig=abc failed")
        == f"GET https://{HIDDEN}@h/x?page=2&sig={HIDDEN} failed"
    )
