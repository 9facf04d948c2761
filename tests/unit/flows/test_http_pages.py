"""Lists that come page by page, from a real server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest

from blocks import HttpService
from blocks.errors import Failed, InvalidInput
from flows.nodes import http_pages
from tests.support.http_server import Answer, HttpServer

module = import_module("flows.nodes.http_pages")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


def page(content: Any, **headers: str) -> Answer:
    return Answer(200, json.dumps(content), headers)


async def pages(server: HttpServer, *answers: Answer, **options: Any) -> dict[str, Any]:
    server.answers = list(answers)
    block = HttpService(base_url=server.url, allow_networks=["127.0.0.1"], headers={"X-Key": "k"})
    return await http_pages.fn("/deals", service=block, **options)


async def test_by_the_link_header(server: HttpServer):
    got = await pages(
        server,
        page([1, 2], Link=f'<{server.url}/deals?page=9>; rel="last", </deals?page=2>; rel="next"'),
        page([3], Link='</deals>; rel="first"'),
        query={"size": 2},
    )

    assert got == {"items": [1, 2, 3], "pages": 2}
    assert [request.target for request in server.requests] == ["/deals?size=2", "/deals?page=2"]
    assert {request.headers["x-key"] for request in server.requests} == {"k"}


async def test_by_a_cursor(server: HttpServer):
    got = await pages(
        server,
        page({"results": [1], "paging": {"next": {"after": "a b"}}}),
        page({"results": [2], "paging": {}}),
        items="results",
        by="cursor",
        field="paging.next.after",
        parameter="after",
        query={"after": "0", "limit": 1},
    )

    assert got["items"] == [1, 2]
    assert server.requests[1].target == "/deals?after=a+b&limit=1"


async def test_by_an_address_in_the_answer(server: HttpServer):
    got = await pages(
        server,
        page({"d": [1], "@odata.nextLink": f"{server.url}/more/2"}),
        page({"d": [2], "@odata.nextLink": "/more/3"}),
        page({"d": []}),
        items="d",
        by="next_url",
        field=["@odata.nextLink"],
    )

    assert got == {"items": [1, 2], "pages": 3}
    assert [request.target for request in server.requests] == ["/deals", "/more/2", "/more/3"]


@pytest.mark.parametrize(
    ("by", "query", "targets"),
    [
        ("page", None, ["/deals", "/deals?n=2", "/deals?n=3"]),
        ("page", {"n": 0}, ["/deals?n=0", "/deals?n=1", "/deals?n=2"]),
        ("offset", None, ["/deals", "/deals?n=2", "/deals?n=3"]),
    ],
)
async def test_by_counting_until_a_page_is_empty(server: HttpServer, by, query, targets):
    got = await pages(server, page([1, 2]), page([3]), page([]), by=by, parameter="n", query=query)

    assert got == {"items": [1, 2, 3], "pages": 3}
    assert [request.target for request in server.requests] == targets


async def test_a_page_that_fails_is_tried_again_and_the_others_are_not(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "RETRY_DELAYS", [0, 0, 0])

    got = await pages(
        server,
        page([1]),
        Answer(503),
        Answer(429, "", {"Retry-After": "0"}),
        page([2]),
        page([]),
        by="page",
        parameter="n",
    )
    assert got["items"] == [1, 2]
    with pytest.raises(Failed, match=r"page 2: .* answered 503"):
        await pages(server, page([1]), *[Answer(503)] * 4, by="page", parameter="n")


@pytest.mark.parametrize(
    ("answers", "options", "problem"),
    [
        ([page([1], Link='<http://evil.test/2>; rel="next"')], {}, "the next page is at http://evil.test"),
        ([page([1], Link='</deals>; rel="next"')], {}, "page 1 leads back to"),
        ([page({"a": [1]})], {"items": "b"}, "page 1 has no list at items='b'"),
        ([Answer(200, "<html>")], {}, "page 1 has no list"),
        ([Answer(404)], {}, "answered 404"),
        ([page([1, 2, 3])], {"max_items": 2}, "more than 2 items"),
        ([page([1])] * 3, {"max_pages": 2, "by": "page", "parameter": "n"}, "more than 2 pages"),
        ([page({"n": {}, "d": []})], {"items": "d", "by": "next_url", "field": "n"}, "is no address"),
    ],
)
async def test_a_list_is_whole_or_an_error(server: HttpServer, answers, options, problem):
    with pytest.raises(Failed, match=problem):
        await pages(server, *answers, **options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"by": "magic"}, "by: 'magic' is none of"),
        ({"by": "cursor", "parameter": "after"}, "needs field"),
        ({"by": "page"}, "needs parameter"),
        ({"max_pages": 0}, "both are over 0"),
        ({"max_items": 1_000_001}, "at most 1000000"),
        ({"by": "page", "parameter": "n", "query": {"n": "x"}}, "not a number"),
    ],
)
async def test_what_cannot_be_asked_for_says_why(server: HttpServer, options, problem):
    with pytest.raises(InvalidInput, match=problem):
        await pages(server, page([1]), **options)
