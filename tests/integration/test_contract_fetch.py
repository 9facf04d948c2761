"""What is too big to travel is fetched: the block is a real Prefect server's, the receiver a small HTTP server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks import WebhooksReceiver
from receiver import Context, Reply, webhook
from receiver.contract import fetch
from receiver.contract.envelope import encode_document, reference_envelope
from receiver.contract.errors import EnvelopeError, FetchError
from tests.support.certificates import self_signed, server_tls
from tests.support.http_server import Answer, HttpServer
from tests.support.ports import free_port
from tests.support.prefect import PrefectServer

KEY = "whk_read-key-of-this-test"
OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}
DOCUMENT: dict[str, Any] = {
    "v": 1,
    "delivery_id": "d1",
    "attempt": 2,
    "data": {"text": "x" * 300_000, "$ref": "\0\ud800"},
    "files": [{"field": "cv", "filename": "cv.pdf", "content_type": "application/pdf", "size": 3, "index": 0}],
}
REFERENCE = reference_envelope(delivery_id="d1", attempt=2)
seen: list[Context] = []


@webhook("asynchronous", **OPEN)
@flow
async def asynchronous(context: Context, again: Context | None = None) -> Reply:
    seen.append(context)
    return Reply(body=len(context.data["text"]))


@webhook("synchronous", **OPEN)
@flow
def synchronous(context: Context, again: Context | None = None) -> Reply:
    seen.append(context)
    return Reply(body=len(context.data["text"]))


@flow
async def undecorated(context: Context) -> int:
    return len(context.data["text"])


@webhook("outer", **OPEN)
@flow
async def outer(context: Context) -> Any:
    return await asynchronous(context)


async def run(it: Any, **parameters: Any) -> Any:
    """Run a flow in Prefect's engine; one that is no coroutine in a thread, as the server answers from this one."""
    return await it(**parameters) if it.isasync else await asyncio.to_thread(it, **parameters)


async def fetched(way: Any, path: str) -> bytes:
    return await way(path) if inspect.iscoroutinefunction(way) else await asyncio.to_thread(way, path)


both_flows = pytest.mark.parametrize("it", [asynchronous, synchronous], ids=["async", "sync"])
both_ways = pytest.mark.parametrize("way", [fetch.fetch, fetch.fetch_blocking], ids=["async", "sync"])


@pytest.fixture
async def receiver(runs_in_process: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpServer]:
    """A receiver whose address and key are in the block; tries follow each other at once."""
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0, 0.0))
    seen.clear()
    async with HttpServer() as server:
        await WebhooksReceiver(url=server.url, key=KEY).asave("default", overwrite=True)
        yield server


@both_flows
async def test_a_request_by_reference_is_fetched_once_before_the_flows_first_line(it: Any, receiver: HttpServer):
    receiver.answers = [Answer(body=encode_document(DOCUMENT))]
    reply = await run(it, context=REFERENCE, again=REFERENCE)
    assert reply.body == 300_000
    [request] = receiver.requests
    assert (request.method, request.target) == ("GET", "/api/admin/deliveries/d1/context?attempt=2")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    [context] = seen
    assert context.data == DOCUMENT["data"]
    assert dict(context) == REFERENCE  # it goes on to another run as it came


async def test_a_flow_inside_a_flow_takes_the_fetched_request_without_asking_again(receiver: HttpServer):
    receiver.answers = [Answer(body=encode_document(DOCUMENT))]
    assert (await run(outer, context=REFERENCE)).body == 300_000
    assert len(receiver.requests) == 1


@both_flows
async def test_a_flow_is_called_with_a_context_of_a_tests_own(it: Any, receiver: HttpServer):
    reply = await run(it, context=Context.from_document({"data": {"text": "abc"}}))
    assert reply.body == 3
    assert receiver.requests == []


async def test_a_flow_without_the_decorator_is_told_to_take_it(receiver: HttpServer):
    with pytest.raises(EnvelopeError, match="put @webhook"):
        await run(undecorated, context=REFERENCE)


@both_flows
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (encode_document({**DOCUMENT, "delivery_id": "d2"}), "of delivery d2, not of d1 attempt 2"),
        (encode_document({**DOCUMENT, "attempt": 1}), "not of d1 attempt 2"),
        ("<html>a login page</html>", "is no JSON"),
    ],
)
async def test_what_was_not_asked_for_does_not_reach_the_flow(it: Any, body: str, words: str, receiver: HttpServer):
    receiver.answers = [Answer(body=body)]
    with pytest.raises(EnvelopeError, match=words):
        await run(it, context=REFERENCE)
    assert seen == []


async def test_raw_bodies_and_files_are_fetched_as_bytes(receiver: HttpServer):
    receiver.answers = [Answer(body=b"\0raw\xff"), Answer(body=b"\0file\xff")]
    context = Context.from_document(DOCUMENT)
    assert await context.raw() == b"\0raw\xff"
    assert await context.files[0].read() == b"\0file\xff"
    assert [request.target for request in receiver.requests] == [
        "/api/admin/deliveries/d1/body?attempt=2",
        "/api/admin/deliveries/d1/files/0?attempt=2",
    ]


@both_ways
async def test_a_receiver_that_is_away_for_a_moment_is_asked_again(way: Any, receiver: HttpServer):
    receiver.answers = [Answer(drop=True), Answer(503), Answer(502), Answer(body=b"x")]
    assert await fetched(way, "/x") == b"x"
    assert len(receiver.requests) == 4


@both_ways
async def test_a_receiver_that_speaks_tls_is_known_by_the_certificate_that_the_block_names(
    way: Any, receiver: HttpServer, tmp_path: Path
):
    certificate = self_signed(tmp_path, "hooks.example.com")
    async with HttpServer(server_tls(certificate)) as server:
        server.answers = [Answer(body=b"x")]
        for named, problem in (
            (str(certificate), ""),
            ("", "cannot be reached"),
            ("/no/such.pem", "cannot be read here"),
        ):
            await WebhooksReceiver(url=server.url, key=KEY, certificate=named).asave("default", overwrite=True)
            if problem:
                with pytest.raises(FetchError, match=problem):
                    await fetched(way, "/x")
            else:
                assert await fetched(way, "/x") == b"x"


REFUSALS: list[tuple[list[Answer], str]] = [
    ([Answer(401, body="no")], r"answered 401 to /x: the key in the block webhooks-receiver/default is not known"),
    ([Answer(403)], r"answered 403 to /x: the key in the block .* lacks the scope read"),
    ([Answer(404)], r"answered 404 to /x: the delivery is not there, or its body is no longer kept"),
    ([Answer(500)], r"answered 500 to /x$"),
    ([Answer(302, headers={"Location": "http://127.0.0.1:9/"})], r"answered 302 to /x$"),
    ([Answer(503)] * 4, r"answered 503 to /x$"),
    ([Answer(drop=True)] * 4, r"cannot be reached \(RemoteProtocolError\); is `webhooks serve` running"),
]


@both_ways
async def test_a_refusal_says_what_to_look_at_and_not_the_key(way: Any, receiver: HttpServer):
    for answers, words in REFUSALS:
        receiver.requests.clear()
        receiver.answers = list(answers)
        with pytest.raises(FetchError, match=words) as error:
            await fetched(way, "/x")
        assert len(receiver.requests) == len(answers)
        assert KEY not in str(error.value)
        assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("", KEY, "lacks url or key"),
        ("http://127.0.0.1:9", "", "lacks url or key"),
        ("127.0.0.1:8000", KEY, "unusable url or key"),
        ("http://127.0.0.1:port", KEY, "unusable url or key"),
        ("http://127.0.0.1:9", f"{KEY}\r\nX: y", "unusable url or key"),
        ("http://127.0.0.1:9", f"{KEY}ї", "unusable url or key"),
    ],
)
async def test_a_block_that_cannot_be_used_says_how_to_write_it_again(
    url: str, key: str, words: str, receiver: HttpServer
):
    await WebhooksReceiver(url=url, key=key).asave("default", overwrite=True)
    for way in (fetch.fetch, fetch.fetch_blocking):
        with pytest.raises(FetchError, match=f"{words}.*`webhooks deploy` writes it again") as error:
            await fetched(way, "/x")
        assert KEY not in str(error.value)


@both_ways
async def test_a_receiver_that_does_not_run_is_named(way: Any, receiver: HttpServer):
    url = f"http://127.0.0.1:{free_port()}"
    await WebhooksReceiver(url=url, key=KEY).asave("default", overwrite=True)
    with pytest.raises(FetchError, match=rf"the receiver at {url} cannot be reached \(ConnectError\)"):
        await fetched(way, "/x")


@both_ways
async def test_a_missing_block_says_what_writes_it(way: Any, receiver: HttpServer):
    async with get_client() as client:
        block = await client.read_block_document_by_name("default", "webhooks-receiver")
        await client.delete_block_document(block.id)
        with pytest.raises(ObjectNotFound):
            await client.read_block_document_by_name("default", "webhooks-receiver")
    with pytest.raises(
        FetchError, match="there is no Prefect block webhooks-receiver/default; `webhooks deploy` writes"
    ):
        await fetched(way, "/x")


@both_ways
async def test_a_prefect_that_does_not_answer_or_refuses_is_named(way: Any, receiver: HttpServer):
    gone = {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    for updates, words in (
        (gone, "ConnectError"),
        ({PREFECT_API_AUTH_STRING: "someone:else"}, "PrefectHTTPStatusError"),
    ):
        with (
            temporary_settings(updates=updates),
            pytest.raises(FetchError, match=rf"Prefect did not give the block .*\({words}\)"),
        ):
            await fetched(way, "/x")
    assert receiver.requests == []
