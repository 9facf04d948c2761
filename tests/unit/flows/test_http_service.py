"""Calling a system through its block: networks, credentials, tokens, signatures; a real server answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blocks import HttpService
from blocks.errors import Failed, InvalidInput, NotConfigured, TryAgain
from flows.nodes import _oauth, http_request
from flows.nodes._http_calls import address
from flows.nodes._mask import masked
from tests.support.certificates import self_signed, server_tls
from tests.support.http_server import Answer, HttpServer


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


def service(server: HttpServer, **fields: Any) -> HttpService:
    return HttpService(**{"base_url": f"{server.url}/api", "allow_networks": ["127.0.0.1"], **fields})


def oauth(server: HttpServer, **fields: Any) -> HttpService:
    return service(
        server,
        **{"auth": "oauth2", "username": "sync", "secret": "cl1ent", "token_url": f"{server.url}/token", **fields},
    )


def token(value: str, **more: Any) -> Answer:
    return Answer(200, json.dumps({"access_token": value, "token_type": "Bearer", **more}))


async def test_a_system_in_ones_own_network_needs_a_block_and_the_error_says_which(server: HttpServer):
    with pytest.raises(NotConfigured) as caught:
        await http_request.fn("GET", f"{server.url}/orders")

    said = str(caught.value)
    assert f'HttpService(base_url="{server.url}", allow_networks=["127.0.0.1"]).save("my-system")' in said
    assert 'service="my-system"' in said
    assert server.requests == []


async def test_a_block_opens_its_own_networks_only(server: HttpServer):
    with pytest.raises(NotConfigured, match=r"loopback.* Add 127\.0\.0\.1 or its network to .* allow_networks"):
        await http_request.fn("GET", "/orders", service=service(server, allow_networks=["10.0.0.0/8"]))


async def test_a_redirect_into_another_network_is_not_followed(server: HttpServer):
    server.answers = [Answer(302, "", {"Location": "http://169.254.169.254/latest/meta-data"})]

    with pytest.raises(Failed, match=r"redirects to another system that is not called: .* link-local"):
        await http_request.fn("GET", "/", service=service(server), follow_redirects=True)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("orders", "http://erp.test/api/orders"),
        ("/orders?a=1", "http://erp.test/api/orders?a=1"),
        ("", "http://erp.test/api"),
        ("http://erp.test/other", "http://erp.test/other"),
    ],
)
def test_an_address_is_added_to_the_services(url, whole):
    assert address(HttpService(base_url="http://erp.test/api"), url) == whole


@pytest.mark.parametrize(
    "url", ["http://evil.test/", "//evil.test/x", "https://erp.test/", "http://erp.test:81/", "../x", "a/%2e%2e/b"]
)
def test_credentials_do_not_leave_the_services_origin(url):
    with pytest.raises(InvalidInput, match="url"):
        address(HttpService(base_url="http://erp.test/api"), url)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (
            {"auth": "basic", "username": "bot", "secret": "pä55"},
            "Basic " + base64.b64encode("bot:pä55".encode()).decode(),
        ),
        ({"auth": "bearer", "secret": "t0ken"}, "Bearer t0ken"),
        ({"headers": {"Authorization": "token key:s3cret"}}, "token key:s3cret"),
    ],
)
async def test_credentials_come_from_the_block(server: HttpServer, fields, sent):
    await http_request.fn("GET", "/orders", service=service(server, **fields))

    assert server.requests[0].headers["authorization"] == sent


async def test_what_a_service_echoes_of_our_credentials_is_not_told(server: HttpServer):
    block = service(server, auth="basic", username="bot", secret="s3cret", headers={"X-Key": "k3y-of-ours"})
    pair = base64.b64encode(b"bot:s3cret").decode()
    server.answers = [Answer(403, f"you sent s3cret, k3y-of-ours and {pair}")]

    with pytest.raises(Failed, match="you sent ") as caught:
        await http_request.fn("GET", "/", service=block)

    for secret in ("s3cret", "k3y-of-ours", pair):
        assert secret not in str(caught.value)
        assert secret not in masked({"service": block})


async def test_a_header_that_cannot_be_sent_is_not_repeated(server: HttpServer):
    headers = {"Authorization": f"Bearer {'s3' + 'cret'} "}
    with pytest.raises(InvalidInput, match="no header may hold") as caught:
        await http_request.fn("GET", "/", headers, service=service(server))

    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


async def test_a_body_is_signed_as_it_is_sent(server: HttpServer):
    block = service(server, signing_secret="sh4red", signature_header="X-Hub-Signature-256")
    await http_request.fn("POST", "/hook", json={"name": "Ада"}, service=block)
    encoded = service(server, signing_secret="sh4red", signature_prefix="", signature_encoding="base64")
    await http_request.fn("POST", "/hook", form={"a": "b"}, files={"f": ("a.txt", b"text")}, service=encoded)

    first, second = server.requests
    assert first.headers["x-hub-signature-256"] == f"sha256={hmac.new(b'sh4red', first.body, 'sha256').hexdigest()}"
    digest = hmac.new(b"sh4red", second.body, hashlib.sha256).digest()
    assert second.headers["x-signature-256"] == base64.b64encode(digest).decode()


async def test_files_travel_as_a_multipart_form(server: HttpServer):
    await http_request.fn(
        "POST", "/", form={"note": "x"}, files={"f": ("a.csv", b"1;2", "text/csv")}, service=service(server)
    )

    [request] = server.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="note"' in request.body
    assert b'filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n1;2' in request.body


async def test_a_token_is_fetched_once_and_used_until_shortly_before_its_end(server: HttpServer):
    block = oauth(server, scope="orders:read", username="kept")
    server.answers = [token("t1", expires_in=3600)]

    await http_request.fn("GET", "/a", service=block)
    await http_request.fn("GET", "/b", service=block)

    question, *calls = server.requests
    assert (question.method, question.target) == ("POST", "/token")
    assert question.body == b"grant_type=client_credentials&scope=orders%3Aread"
    assert question.headers["authorization"] == "Basic " + base64.b64encode(b"kept:cl1ent").decode()
    assert [call.headers["authorization"] for call in calls] == ["Bearer t1"] * 2


async def test_a_token_that_is_about_to_end_is_replaced(server: HttpServer):
    block = oauth(server, username="ending", credentials_in="body")
    server.answers = [token("t1", expires_in=0), Answer(), token("t2"), Answer()]

    await http_request.fn("GET", "/a", service=block)
    await http_request.fn("GET", "/b", service=block)

    assert server.requests[0].body == b"grant_type=client_credentials&client_id=ending&client_secret=cl1ent"
    assert "authorization" not in server.requests[0].headers
    assert [server.requests[at].headers["authorization"] for at in (1, 3)] == ["Bearer t1", "Bearer t2"]


async def test_a_token_that_is_refused_is_replaced_once_and_the_same_body_sent_again(server: HttpServer):
    block = oauth(server, username="refused")
    server.answers = [
        token("t1"),
        Answer(401),
        token("t2"),
        Answer(200, '"done"'),
        Answer(401),
        token("t3"),
        Answer(401),
    ]

    assert (await http_request.fn("POST", "/a", json={"n": 1}, service=block))["json"] == "done"
    with pytest.raises(Failed, match="answered 401"):
        await http_request.fn("POST", "/a", json={"n": 1}, service=block)

    assert [request.target for request in server.requests] == [
        "/token", "/api/a", "/token", "/api/a", "/api/a", "/token", "/api/a",
    ]  # fmt: skip
    assert server.requests[1].body == server.requests[3].body == b'{"n":1}'
    assert server.requests[3].headers["authorization"] == "Bearer t2"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400, '{"error": "invalid_client", "sent": "cl1ent"}'), Failed),
        (Answer(200, '{"sent": "cl1ent"}'), Failed),
        (Answer(200, "cl1ent"), Failed),
        (token("two\nlines"), Failed),
        (Answer(503, "cl1ent"), TryAgain),
        (Answer(drop=True), TryAgain),
    ],
)
async def test_without_a_token_nothing_is_called_and_no_secret_told(server: HttpServer, answer: Answer, kind):
    server.answers = [answer]

    with pytest.raises(kind) as caught:
        await http_request.fn("POST", "/a", service=oauth(server, username="none"))

    assert "cl1ent" not in str(caught.value)
    assert [request.target for request in server.requests] == ["/token"]


def test_no_more_than_a_hundred_tokens_are_kept():
    blocks = [HttpService(base_url="https://erp.test", scope=f"s{number}") for number in range(101)]
    for block in blocks:
        _oauth.keep(block, _oauth.Token(value="t", until=1.0))

    assert _oauth.kept(blocks[0], now=0.0) is None
    assert _oauth.kept(blocks[-1], now=0.0) == "t"
    assert _oauth.kept(blocks[-1], now=1.0) is None


async def test_an_authority_of_ones_own_is_trusted_by_the_block(tmp_path: Path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    async with HttpServer(server_tls(certificate)) as server:
        with pytest.raises(TryAgain, match="CERTIFICATE_VERIFY_FAILED"):
            await http_request.fn("GET", "/", service=service(server))
        assert (await http_request.fn("GET", "/", service=service(server, ca_file=str(certificate))))["status"] == 200
        with pytest.raises(NotConfigured, match="ca_file"):
            await http_request.fn("GET", "/", service=service(server, ca_file=str(tmp_path / "none.pem")))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"base_url": "erp.test"}, "begins with http"),
        ({"base_url": "https://bot:s3cret@erp.test"}, "holds no password"),
        ({"auth": "basic", "username": "bot"}, "auth basic needs secret"),
        ({"auth": "bearer", "secret": ""}, "auth bearer needs secret"),
        ({"auth": "bearer", "secret": "s3cret\n"}, "no line of printable ASCII"),
        ({"auth": "oauth2", "username": "a", "secret": "s3cret"}, "auth oauth2 needs token_url"),
        ({"signing_secret": ""}, "signing_secret is empty"),
        ({"allow_networks": ["10.0.0.1/8"]}, "has host bits set"),
        ({"headers": {"X-Key": "s3cret\r\nX-B: c"}}, "the header X-Key"),
        ({"base_url": "http://erp.test", "auth": "bearer", "secret": "s3cret"}, "only sent over https"),
        ({"timeout": 0}, "greater than 0"),
    ],
)
def test_a_block_that_cannot_work_is_refused_without_telling_its_secrets(fields, problem):
    with pytest.raises(ValidationError, match=problem) as caught:
        HttpService(**{"base_url": "https://erp.test", **fields})

    assert "s3cret" not in str(caught.value)
