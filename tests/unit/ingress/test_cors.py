"""Pages of other origins: which may ask, which may read, and that nothing is told where nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from receiver.contract.errors import DefinitionError
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.ingress.answers import Answer
from tests.support.front_door import FrontDoor, front_door

SHOP, OTHER = "https://shop.example", "https://other.example"
FORM = {"key": "form", "methods": ["POST", "PUT"], "cors": [SHOP, "http://localhost:3000"]}
KEYED = {"key": "keyed", "cors": [SHOP], "verification": {"scheme": "api-key", "secret": "env:CORS_TEST"}}


def headers_of(answer: Answer) -> dict[str, str]:
    return dict(answer.headers)


async def asked(door: FrontDoor, key: str, origin: str, method: str = "POST", **more: Any) -> Answer:
    """The answer to a browser that asks whether a page may call."""
    headers = {"origin": origin, "access-control-request-method": method, **more.pop("headers", {})}
    return await door.knock(key, method="OPTIONS", headers=headers, body=b"", **more)


async def test_a_page_of_a_listed_origin_may_call_with_the_webhooks_methods_and_its_headers(tmp_path: Path):
    async with front_door(tmp_path, FORM) as door:
        wanted = {"access-control-request-headers": "content-type, X-Api-Key"}
        answer = await asked(door, "form", SHOP, "PUT", headers=wanted)
        said = headers_of(answer)
        assert answer.status == 204 and answer.body == b""
        assert said["access-control-allow-origin"] == SHOP
        assert said["access-control-allow-methods"] == "POST, PUT"
        assert said["x-content-type-options"] == "nosniff" and said["content-security-policy"] == "sandbox"
        assert said["access-control-allow-headers"] == "content-type, X-Api-Key"
        assert "origin" in said["vary"] and "access-control-allow-credentials" not in said
        assert await door.store.get(said["webhook-delivery-id"]) is None


async def test_a_page_of_another_origin_is_refused_and_recorded(tmp_path: Path):
    async with front_door(tmp_path, FORM) as door:
        for origin in (OTHER, "null", "https://shop.example.evil", "http://shop.example", "https://shop.example:8443"):
            answer = await asked(door, "form", origin)
            assert answer.status == 403 and "access-control-allow-origin" not in headers_of(answer)
            row = await door.recorded(answer)
            assert (row.status, row.reason) == ("rejected", Reason.ORIGIN_NOT_ALLOWED) and origin in row.detail


async def test_a_method_that_the_webhook_has_not_is_405_also_before_the_call(tmp_path: Path):
    async with front_door(tmp_path, FORM) as door:
        answer = await asked(door, "form", SHOP, "DELETE")
        assert answer.status == 405
        assert (await door.recorded(answer)).reason is Reason.METHOD_NOT_ALLOWED


async def test_headers_that_are_none_are_not_repeated(tmp_path: Path):
    async with front_door(tmp_path, FORM) as door:
        for wanted in ("a\r\nset-cookie: b", "a;b", "x" * 2000, ""):
            answer = await asked(door, "form", SHOP, headers={"access-control-request-headers": wanted})
            assert answer.status == 204 and "access-control-allow-headers" not in headers_of(answer)


async def test_answers_may_be_read_by_pages_of_listed_origins_refusals_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CORS_TEST", "the-quick-brown-secret")
    async with front_door(tmp_path, FORM, KEYED) as door:
        accepted = await door.knock("form", headers={"origin": SHOP})
        assert accepted.status == 202 and headers_of(accepted)["access-control-allow-origin"] == SHOP
        assert "retry-after" in headers_of(accepted)["access-control-expose-headers"]
        refused = await door.knock("keyed", headers={"origin": SHOP}, scheme="https")
        assert refused.status == 401 and headers_of(refused)["access-control-allow-origin"] == SHOP
        for origin in ({"origin": OTHER}, {}):
            answer = await door.knock("form", headers=origin)
            assert answer.status == 202 and "access-control-allow-origin" not in headers_of(answer)
            assert headers_of(answer)["vary"] == "origin"


async def test_any_origin_may_call_an_open_webhook_that_says_so(tmp_path: Path):
    async with front_door(tmp_path, {"key": "form", "cors": "*"}) as door:
        assert headers_of(await asked(door, "form", OTHER))["access-control-allow-origin"] == "*"
        answer = await door.knock("form", headers={"origin": OTHER})
        assert headers_of(answer)["access-control-allow-origin"] == "*" and headers_of(answer)["vary"] == "origin"


async def test_the_question_needs_no_encryption_and_no_credential_and_still_the_right_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CORS_TEST", "the-quick-brown-secret")
    async with front_door(tmp_path, KEYED, {**FORM, "ip_allowlist": ["192.0.2.0/24"]}) as door:
        assert (await asked(door, "keyed", SHOP)).status == 204
        assert (await asked(door, "form", SHOP)).status == 403
        assert (await asked(door, "form", SHOP, peer="192.0.2.7")).status == 204


async def test_without_cors_a_browser_is_told_nothing(tmp_path: Path):
    async with front_door(tmp_path, {"key": "form"}) as door:
        assert (await asked(door, "form", SHOP)).status == 405
        answer = await door.knock("form", headers={"origin": SHOP})
        assert not {"vary", "access-control-allow-origin"} & set(headers_of(answer))


async def test_options_that_are_no_preflight_are_the_schemes_handshake_or_405(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CORS_TEST", "the-quick-brown-secret")
    events = {"key": "events", "cors": [SHOP], "verification": {"scheme": "cloudevents", "secret": "env:CORS_TEST"}}
    async with front_door(tmp_path, FORM, events) as door:
        assert (await door.knock("form", method="OPTIONS", headers={"origin": SHOP}, body=b"")).status == 405
        sent = {"webhook-request-origin": "sender.example"}
        answer = await door.knock("events", method="OPTIONS", headers=sent, body=b"", scheme="https")
        assert answer.status == 200 and headers_of(answer)["webhook-allowed-origin"]


async def test_what_is_not_there_says_the_same_to_pages_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CORS_TEST", "a-token-of-twenty-letters-and-more")
    token = {"key": "token", "cors": [SHOP], "verification": {"scheme": "url-token", "secret": "env:CORS_TEST"}}
    async with front_door(tmp_path, {**FORM, "state": "disabled"}, token) as door:
        answers = []
        for path in ("form", "nothing-here", "token/a-wrong-token-of-twenty-letters"):
            answers.append(await door.knock(path, headers={"origin": SHOP}, scheme="https"))
        answers += [await asked(door, "form", SHOP), await asked(door, "nothing-here", SHOP)]
        bare = [(each.status, each.body, each.close, *each.headers[1:]) for each in answers]
        assert bare[0][0] == 404 and len(set(bare)) == 1
        assert {each.headers[0][0] for each in answers} == {"webhook-delivery-id"}


def test_any_origin_is_refused_for_a_webhook_that_verifies():
    definition = {"key": "k", "deployment": "f/d", "verification": {"scheme": "bearer", "secret": "block:secret/a"}}
    with pytest.raises(DefinitionError, match="cors: '\\*' is for an open webhook"):
        parse_definition({**definition, "cors": ["*"]}, by="write")


async def test_a_response_that_says_itself_who_may_read_it_keeps_its_word(tmp_path: Path):
    own = {**FORM, "response": {"status": 200, "headers": {"Access-Control-Allow-Origin": "https://mine.example"}}}
    async with front_door(tmp_path, own) as door:
        answer = await door.knock("form", headers={"origin": SHOP})
        said = [value for name, value in answer.headers if name.lower() == "access-control-allow-origin"]
        assert said == ["https://mine.example"]
