"""The loader, against a real server on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from benchmarks.http_client import Connection, request_bytes
from benchmarks.loader import Order, perform
from benchmarks.loading import SECRET, SIGNATURE_HEADER, LoadFailed, body_of, load, signed
from tests.support.http_server import Answer, HttpServer


async def test_a_request_arrives_as_it_was_meant():
    async with HttpServer() as server:
        connection = await Connection.open(server.url)
        answer = await connection.post(request_bytes(f"{server.url}/a?b=c", b'{"n":1}', {"X-Kind": "test"}))
    (received,) = server.requests
    assert (received.method, received.target, received.body) == ("POST", "/a?b=c", b'{"n":1}')
    assert received.headers["x-kind"] == "test" and answer.status == 200


async def test_the_answer_is_read_whole_with_its_headers():
    async with HttpServer() as server:
        server.answers = [Answer(201, "x" * 100_000, {"Webhook-Delivery-Id": "d1"})]
        connection = await Connection.open(server.url)
        answer = await connection.post(request_bytes(server.url, b"", {}))
    assert (answer.status, len(answer.body), answer.headers["webhook-delivery-id"]) == (201, 100_000, "d1")


async def test_a_lost_connection_is_an_answer_of_status_0_and_the_next_request_takes_a_new_one():
    async with HttpServer() as server:
        server.answers = [Answer(drop=True), Answer(200)]
        result = await perform(Order(url=server.url, body="{}", count=2))
    assert result["statuses"] == {"0": 1, "200": 1}


async def test_with_a_rate_each_request_has_its_moment_and_is_measured_from_there():
    async with HttpServer() as server:
        result = await perform(Order(url=server.url, body="{}", clients=2, count=6, per_second=100))
    assert len(result["milliseconds"]) == 6 and result["elapsed"] >= 0.05


async def test_clients_share_the_count():
    async with HttpServer() as server:
        result = await perform(Order(url=server.url, body="{}", clients=4, count=10, details=True))
    assert len(server.requests) == len(result["milliseconds"]) == len(result["answers"]) == 10


async def test_figures_of_failures_are_no_figures():
    async with HttpServer() as server:
        server.answers = [Answer(503)]
        with pytest.raises(LoadFailed, match="503"):
            await load(Order(url=server.url, body="{}", count=2))
        assert (await load(Order(url=server.url, body="{}", count=2), must_succeed=False)).good == 2


async def test_only_plain_http_is_measured():
    with pytest.raises(ValueError, match="http://"):
        await Connection.open("https://127.0.0.1:1")


def test_the_body_has_the_size_and_the_signature_both_endpoints_check():
    body = body_of(2048)
    assert 1900 < len(body) < 2200 and json.loads(body)["id"] == 4711
    expected = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    assert signed(body)[SIGNATURE_HEADER] == f"sha256={expected}"
