"""A test of an author's can send to a webhook of any scheme, as its sender would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from receiver.contract.parse import parse_definition
from receiver.ingress.parameter_rules import rules_of
from receiver.ingress.verify import SCHEMES
from receiver.ingress.webhook import compile_webhook
from receiver.prefect_gateway import DeploymentRef
from receiver.testing.door import LetIn, TurnedAway, knock
from receiver.testing.sender import Sample, request_of
from tests.conformance.schemes import NOW

NEEDED: dict[str, dict[str, Any]] = {
    "aws-sns": {"topic_arn": "arn:aws:sns:eu-west-1:123456789012:orders"},
    "jwt": {"algorithms": ["ES256"]},
    "paypal": {"webhook_id": "4JH86294D6297924G"},
    "rfc9421": {"algorithm": "ed25519"},
}
RULES = rules_of(DeploymentRef(name="f/d", id="", flow_id="", parameter_schema={"properties": {"context": {}}}))


def knocked(name: str, *, signed: bool = True) -> LetIn | TurnedAway:
    secret = {"secret": "block:webhook-secret/tests"} if SCHEMES[name].needs_secret else {}
    fields = {"key": "w", "deployment": "f/d", "verification": {"scheme": name, **secret, **NEEDED.get(name, {})}}
    definition = parse_definition(fields, by="code")
    webhook = compile_webhook(definition, revision=1, state="enabled")
    request = request_of(Sample(raw=json.dumps({"id": "7", "n": 1}).encode()), definition, NOW)
    return knock(webhook, request, RULES, signed=signed, delivery_id="d", now=NOW)


@pytest.mark.parametrize(
    "name",
    ["aws-sns", "wecom", "dingtalk", "dingtalk-robot", "feishu", "url-token", "rfc9421", "jwt", "discord", "paypal"],
)
def test_a_request_is_signed_as_its_sender_would_or_taken_as_if_it_had(name: str):
    let_in = knocked(name)
    assert isinstance(let_in, LetIn), let_in
    assert let_in.judgement.document["data"]["n"] == 1
    refused = knocked(name, signed=False)
    assert isinstance(refused, TurnedAway) and refused.status == "rejected"
