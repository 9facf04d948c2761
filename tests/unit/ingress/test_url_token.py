"""A token as the last segment of the path: found, masked, and as good as not there when it is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from receiver.contract.errors import DefinitionError
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.ingress import answers
from receiver.ingress.decide import Proven, judge, verify
from receiver.ingress.redact import redact, redact_unknown
from receiver.ingress.verify import Secrets
from receiver.ingress.webhook import Webhook, broken_webhook, compile_webhook
from receiver.webhooks.catalog import Routes
from tests.conformance.schemes import NOW, make_request

TOKEN = "k-5f2e9b07c1d84a36-5f2e9b07c1d84a36"
REQUEST = replace(
    make_request(b"{}", headers={"referer": f"https://hooks.example.com/odoo/{TOKEN}", "x-forwarded-uri": TOKEN}),
    path=f"/api/webhooks/shops/7/{TOKEN}",
)


def webhook(key: str = "odoo", scheme: str = "url-token", **fields: Any) -> Webhook:
    verification = {"scheme": scheme, "secret": "block:webhook-secret/odoo"}
    usual = {"key": key, "deployment": "f/d", "verification": verification}
    return compile_webhook(parse_definition({**usual, **fields}, by="code"), revision=1, state="enabled")


@pytest.mark.parametrize(("fields", "before"), [({}, "odoo"), ({"path": "shops/{shop}"}, "shops/7")])
def test_the_token_stands_behind_key_or_path_and_is_no_parameter(fields: dict[str, Any], before: str):
    routes = Routes([webhook(**fields)])
    found = routes.find(f"{before}/{TOKEN}")
    assert found is not None and TOKEN not in repr(found.params)
    assert [routes.find(path) for path in (before, f"{before}/", f"{before}/{TOKEN}/", f"{before}/{TOKEN}/x")] == [
        None
    ] * 4


def test_a_webhook_that_would_get_its_requests_is_refused():
    routes = Routes([webhook()])
    for path in ("odoo/events", "{a}/{b}", "odoo/{}"):
        with pytest.raises(DefinitionError, match="clashes"):
            routes.refuse_clash("other", path)
    routes.refuse_clash("other", "odoo")
    routes.refuse_clash("odoo", "odoo/{}")


def test_neither_row_nor_flow_sees_the_token_also_where_a_proxy_repeats_it():
    of = webhook(path="shops/{shop}")
    proven = verify(of, REQUEST, Secrets("", (TOKEN,)), NOW)
    assert isinstance(proven, Proven) and proven.verified.secret == "previous-1"
    judgement = judge(of, proven, params={"shop": "7"}, delivery_id="d", now=NOW)
    assert judgement.redacted.path == judgement.document["path"] == "/api/webhooks/shops/7/***"
    assert TOKEN not in repr(judgement)
    broken = broken_webhook("odoo", "shops/{shop}/{}", "no such field", revision=1, state="enabled")
    assert TOKEN not in repr(redact(REQUEST, broken.scheme.carriers()))


def test_a_wrong_token_is_answered_like_an_address_that_does_not_exist():
    unknown = answers.refused(Reason.UNKNOWN_PATH, "d")
    for reason in (Reason.CREDENTIAL_WRONG, Reason.CREDENTIAL_MISSING):
        assert answers.refused(reason, "d", hidden=True) == unknown
        assert answers.refused(reason, "d").status == 401
    assert answers.refused(Reason.SECRET_UNAVAILABLE, "d", hidden=True).status == 503


def test_of_an_unknown_path_nothing_is_kept_that_may_be_a_token_mistyped():
    assert redact_unknown(f"/api/webhooks/odoo/{TOKEN}/") == "/api/webhooks/odoo/k-5f***/"
    assert redact_unknown("/api/webhooks/order-sync/7") == "/api/webhooks/order-sync/7"
    assert len(redact_unknown("/" + "a/" * 500)) == 200
