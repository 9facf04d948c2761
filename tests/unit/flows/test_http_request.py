"""Calling another system: a real HTTP server on loopback answers."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx
import pytest

from blocks import HttpService
from blocks.errors import Failed, InvalidInput, TryAgain
from flows.nodes import http_request
from tests.support.http_server import Answer, HttpServer

module = import_module("flows.nodes.http_request")
answers = import_module("flows.nodes._http_answers")
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


async def call(method: str, url: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """As a workflow calls a system in its own network: through a block that opens it."""
    address = httpx.URL(url)
    block = HttpService(base_url=f"http://{address.host}:{address.port}", allow_networks=["127.0.0.1"])
    return await http_request.fn(method, url, *arguments, service=block, **options)


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


async def test_json_goes_out_and_comes_back(server: HttpServer):
    server.answers = [Answer(201, json.dumps({"id": 7}), {"Content-Type": "application/json"})]

    answer = await call("post", f"{server.url}/items", json={"name": "Ада"}, query={"dry": "no"})

    assert (answer["status"], answer["json"], answer["text"]) == (201, {"id": 7}, None)
    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/items?dry=no")
    assert json.loads(request.body) == {"name": "Ада"}
    json.dumps(answer)


async def test_a_form_is_urlencoded(server: HttpServer):
    await call("POST", server.url, form={"a": "1 2", "b": ["x", "y"]})

    assert server.requests[0].body == b"a=1+2&b=x&b=y"


async def test_bytes_are_sent_as_they_are(server: HttpServer):
    await call("PUT", server.url, {"Content-Type": "application/x-thing"}, content=b"\x00\xff")

    assert server.requests[0].body == b"\x00\xff"
    assert server.requests[0].headers["content-type"] == "application/x-thing"


@pytest.mark.parametrize("body", ["plain", "NaN", "", "[" * 100_000])
async def test_what_is_no_json_comes_back_as_text(server: HttpServer, body: str):
    server.answers = [Answer(200, body)]

    answer = await call("GET", server.url)

    assert (answer["json"], answer["text"]) == (None, body)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_worth_another_try(server: HttpServer, status: int):
    server.answers = [Answer(status, "busy", {"Retry-After": "7"})]

    with pytest.raises(TryAgain, match=f"GET {server.url}/ answered {status}: busy") as caught:
        await call("GET", f"{server.url}/")

    assert caught.value.after == 7


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
async def test_any_other_status_is_final(server: HttpServer, status: int):
    server.answers = [Answer(status)]

    with pytest.raises(Failed, match=f"answered {status}"):
        await call("POST", server.url)


async def test_an_expected_status_is_a_success(server: HttpServer):
    server.answers = [Answer(404), Answer(200)]

    assert (await call("GET", server.url, expect={200, 404}))["status"] == 404
    with pytest.raises(Failed, match="answered 200"):
        await call("GET", server.url, expect={201})


async def test_a_wait_longer_than_a_run_is_held_for_is_final(server: HttpServer):
    server.answers = [Answer(429, "", {"Retry-After": "3600"})]

    with pytest.raises(Failed, match="asks to wait 3600 s"):
        await call("GET", server.url)


async def test_credentials_in_the_address_are_not_told_in_errors(server: HttpServer):
    server.answers = [Answer(400)]

    with pytest.raises(Failed) as caught:
        await call("GET", f"{server.url.replace('//', '//bot:s3cret@')}/?api_key=s3cret")

    assert "s3cret" not in str(caught.value)


async def test_nobody_there_is_worth_another_try_for_every_method(free_port: int):
    for method in ("GET", "POST"):
        with pytest.raises(TryAgain, match="cannot be reached"):
            await call(method, f"http://127.0.0.1:{free_port}")


@pytest.mark.parametrize(
    ("method", "repeatable", "kind"),
    [
        ("GET", None, TryAgain),
        ("PUT", None, TryAgain),
        ("POST", None, Failed),
        ("PATCH", None, Failed),
        ("POST", True, TryAgain),
        ("GET", False, Failed),
    ],
)
async def test_a_connection_lost_after_sending_is_tried_again_only_when_that_is_safe(
    server: HttpServer, method: str, repeatable: bool | None, kind: type[Exception]
):
    server.answers = [Answer(drop=True)]

    with pytest.raises(kind, match="no complete answer"):
        await call(method, server.url, repeatable=repeatable)


async def test_the_whole_exchange_is_bounded_in_time(server: HttpServer):
    server.answers = [Answer(200, "x" * 50, trickle=True)]

    with pytest.raises(TryAgain, match="no complete answer"):
        await call("GET", server.url, timeout=0.3)


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(server: HttpServer):
    server.answers = [Answer(200, "x" * 3_000_000)]

    with pytest.raises(Failed, match="over 1048576 bytes"):
        await call("GET", server.url)


async def test_a_small_answer_that_inflates_is_bounded_too(server: HttpServer):
    server.answers = [Answer(200, gzip.compress(b"x" * 5_000_000), {"Content-Encoding": "gzip"})]

    with pytest.raises(Failed, match="over 1000 bytes"):
        await call("GET", server.url, max_bytes=1000)


async def test_a_redirect_is_followed_only_when_asked(server: HttpServer):
    server.answers = [
        Answer(302, "", {"Location": "/there"}),
        Answer(302, "", {"Location": "/there"}),
        Answer(200, "here"),
    ]

    with pytest.raises(Failed, match="answered 302"):
        await call("GET", server.url)
    assert (await call("GET", server.url, follow_redirects=True))["text"] == "here"
    assert server.requests[-1].target == "/there"


async def test_redirects_in_a_circle_end(server: HttpServer):
    server.answers = [Answer(302, "", {"Location": "/"}) for _ in range(10)]

    with pytest.raises(Failed, match="answered unusably"):
        await call("GET", server.url, follow_redirects=True)


async def test_many_requests_at_once_do_not_disturb_one_another(server: HttpServer):
    answers = await asyncio.gather(*(call("GET", f"{server.url}/{number}") for number in range(20)))

    assert [answer["status"] for answer in answers] == [200] * 20
    assert sorted(request.target for request in server.requests) == sorted(f"/{number}" for number in range(20))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("GET", "ftp://example.com"), "does not begin with"),
        (("GET", "/relative"), "does not begin with"),
        (("GET", "http://"), "does not begin with"),
        (("GET", "http://[::1"), "cannot be made"),
        (("BREW", "http://example.com"), "method: 'BREW'"),
        (("GET", "http://example.com", {"X-A": "a\r\nX-B: b"}), "line break"),
        (("GET", "http://example.com", {"X-A": 1}), "cannot be made"),
    ],
)
def test_a_request_that_cannot_be_made_says_why(arguments, problem):
    with pytest.raises(InvalidInput, match=problem):
        module.plan(*arguments)


def test_only_one_body_is_taken():
    with pytest.raises(InvalidInput, match="give one of"):
        module.plan("POST", "http://example.com", json={}, form={})


@pytest.mark.parametrize("timeout", [0, -1, 301, float("nan")])
async def test_the_time_allowed_has_bounds(timeout: float):
    with pytest.raises(InvalidInput, match="timeout is over 0"):
        await http_request.fn("GET", "http://127.0.0.1:9", timeout=timeout)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("5", 5),
        (" 5 ", 5),
        ("Sun, 01 Mar 2026 10:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 09:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("\N{ARABIC-INDIC DIGIT FIVE}", 0),
        ("", 0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header, seconds):
    assert answers.retry_after(header, NOW) == seconds


def test_a_judgement_needs_no_network():
    request = httpx.Request("GET", "http://example.com")
    verdict = answers.judge(request, httpx.Response(503), range(200, 300), body="", now=NOW)

    assert isinstance(verdict, TryAgain)
