"""Whose secret `webhooks deploy` may make up, and when it does."""

from __future__ import annotations

import pytest

from receiver.cli.first_secrets import make_first_secrets, secret_to_make
from receiver.webhooks.deploy_plan import Change, Step

BLOCK = "block:webhook-secret/orders"


@pytest.mark.parametrize("scheme", ["api-key", "bearer", "github", "gitlab", "hmac"])
def test_a_secret_that_we_give_to_the_sender_is_made(scheme):
    assert secret_to_make({"verification": {"scheme": scheme, "secret": BLOCK}}) == "orders"


@pytest.mark.parametrize(
    "verification",
    [
        {"scheme": "none"},
        {"scheme": "stripe", "secret": BLOCK},
        {"scheme": "basic", "secret": BLOCK},
        {"scheme": "gitlab", "secret": BLOCK, "token": "signing"},
        {"scheme": "hmac", "secret": BLOCK, "header": "X-Signature", "key": "base64"},
        {"scheme": "api-key", "secret": "env:ORDERS_KEY"},
        {"scheme": "api-key", "secret": "block:secret/orders"},
    ],
    ids=str,
)
def test_a_secret_that_is_somebody_elses_to_choose_is_not(verification):
    assert secret_to_make({"verification": verification}) is None


@pytest.mark.parametrize("change", [change for change in Change if change is not Change.CREATED])
def test_a_webhook_that_was_deployed_before_gets_none_for_a_block_may_be_gone_on_purpose(change):
    step = Step(key="orders", change=change, definition={"verification": {"scheme": "api-key", "secret": BLOCK}})
    assert make_first_secrets([step], {"PREFECT_API_URL": "http://127.0.0.1:9/api"}) == []


def test_without_a_prefect_none_is_made():
    step = Step(
        key="orders", change=Change.CREATED, definition={"verification": {"scheme": "api-key", "secret": BLOCK}}
    )
    assert make_first_secrets([step], {}) == []
