"""A plain secret becomes a reference before anything else sees the definition."""

from collections.abc import Collection
from typing import Any

import pytest

from receiver.admin.plain_secret import PlainSecret, take_out_secret
from receiver.contract.errors import DefinitionError

PLAIN = "hunter2-hunter2"


def take(
    secret: str, *, key: str = "orders", current: str | None = None, others: Collection[str] = ()
) -> tuple[dict[str, Any], PlainSecret | None]:
    fields = {"key": key, "verification": {"scheme": "api-key", "secret": secret, "header": "X-Key"}}
    return take_out_secret(fields, key=key, current=current, others=others, suffix="0a1b2c3d")


def test_a_plain_secret_is_replaced_by_the_reference_to_a_new_block():
    fields, plain = take(PLAIN)
    assert plain == PlainSecret("orders-0a1b2c3d", PLAIN)
    assert fields["verification"] == {
        "scheme": "api-key",
        "secret": "block:webhook-secret/orders-0a1b2c3d",
        "header": "X-Key",
    }
    assert PLAIN not in repr((fields, plain))


@pytest.mark.parametrize("reference", ["block:webhook-secret/x", "block:secret/x", "env:NAME", "file:a/b"])
def test_a_reference_stays(reference):
    fields, plain = take(reference)
    assert plain is None
    assert fields["verification"]["secret"] == reference


@pytest.mark.parametrize("verification", [None, "text", {}, {"secret": None}, {"secret": 3}, {"secret": {"a": 1}}])
def test_what_is_no_text_is_left_to_the_definitions_own_checks(verification):
    fields = {"verification": verification}
    assert take_out_secret(fields, key="k", current=None, others=(), suffix="0") == (fields, None)


def test_a_rotation_keeps_the_block_so_that_the_old_value_stays_good():
    current = "block:webhook-secret/orders-aaaaaaaa"
    assert take(PLAIN, current=current)[1] == PlainSecret("orders-aaaaaaaa", PLAIN)


@pytest.mark.parametrize(
    "current",
    [
        "block:webhook-secret/stripe-live",  # made by hand
        "block:webhook-secret/stripe-aaaaaaaa",  # another webhook's
        "block:webhook-secret/orders",
        "block:secret/orders-aaaaaaaa",
        "env:ORDERS",
    ],
)
def test_a_block_that_was_not_made_here_is_never_overwritten(current):
    assert take(PLAIN, current=current)[1] == PlainSecret("orders-0a1b2c3d", PLAIN)


def test_a_block_that_another_webhook_refers_to_is_never_overwritten():
    current = "block:webhook-secret/orders-aaaaaaaa"
    assert take(PLAIN, current=current, others={current})[1] == PlainSecret("orders-0a1b2c3d", PLAIN)


@pytest.mark.parametrize(
    ("key", "block"), [("my_shop", "my-shop-0a1b2c3d"), ("Ä B", "b-0a1b2c3d"), ("", "webhook-0a1b2c3d")]
)
def test_the_name_of_a_block_is_one_that_prefect_takes(key, block):
    assert take(PLAIN, key=key)[1] == PlainSecret(block, PLAIN)


@pytest.mark.parametrize("secret", ["", "  ", "x" * 5000])
def test_a_secret_that_protects_nothing_or_is_endless_is_refused(secret):
    with pytest.raises(DefinitionError) as error:
        take(secret)
    assert error.value.field == "verification.secret"
