"""Clients that want too much of a running receiver: each gets its status and its line, others are served."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # no stubs are installed
import pytest

from tests.support.receiver import ADMIN_KEY
from tests.support.serving import Serving, serving
from tests.support.waiting import wait_until

MIB = 2**20
ROOM = 200 * MIB
"""What the receiver may have grown by: far less than what is sent at it."""

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
HEAD = b"POST /api/webhooks/open HTTP/1.1\r\nHost: a\r\n"
GOOD = HEAD + b"Content-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    hurried = {"WEBHOOKS_HEAD_SECONDS": "2", "WEBHOOKS_BODY_SECONDS": "2"}
    with serving(tmp_path_factory.mktemp("limits"), **hurried) as running:
        running.define("open")
        assert running.http.post("/api/webhooks/open", json={}).status_code == 202
        yield running


@contextlib.contextmanager
def watched(receiver: Serving) -> Iterator[None]:
    """Good requests are answered all the while, and the receiver's memory stays within bounds."""
    process, ended, statuses = psutil.Process(receiver.process.pid), threading.Event(), list[int]()
    before = process.memory_info().rss

    def go_on() -> int:
        largest = 0
        while not statuses or not ended.wait(0.05):
            statuses.append(receiver.http.post("/api/webhooks/open", json={}).status_code)
            largest = max(largest, process.memory_info().rss)
        return largest

    with ThreadPoolExecutor(1) as beside:
        largest = beside.submit(go_on)
        try:
            yield
        finally:
            ended.set()
    assert set(statuses) == {202}
    assert largest.result() - before < ROOM


def connected(receiver: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", receiver.port), 60)


def answer_to(receiver: Serving, pieces: Callable[[], Iterator[bytes]]) -> bytes:
    """What comes back for these bytes, whether or not all of them are taken."""
    with connected(receiver) as connection:

        def send() -> None:
            with contextlib.suppress(OSError):
                for piece in pieces():
                    connection.sendall(piece)

        sender = threading.Thread(target=send)
        sender.start()
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                got += piece
        connection.close()
        sender.join()
        return got


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def lines_of(receiver: Serving, reason: str) -> list[dict[str, Any]]:
    return [line for line in receiver.logged() if line.get("reason") == reason]


def said_once(receiver: Serving, reason: str, before: int) -> dict[str, Any]:
    wait_until(lambda: len(lines_of(receiver, reason)) > before, 20, what=f"a line of {reason}")
    [line] = lines_of(receiver, reason)[before:]
    return line


def one_large_header() -> Iterator[bytes]:
    yield HEAD + b"X-Large: "
    for _ in range(60):
        yield b"a" * MIB


def many_headers() -> Iterator[bytes]:
    yield HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + b"\r\n"


def a_few_too_many_headers() -> Iterator[bytes]:
    yield HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(100)) + b"\r\n"


def headers_large_together() -> Iterator[bytes]:
    for number in range(9):
        yield (HEAD if not number else b"") + b"X-%d: %s\r\n" % (number, b"a" * 4096)
    yield b"\r\n"


def a_long_url() -> Iterator[bytes]:
    yield b"POST /api/webhooks/open?a=" + b"a" * MIB + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def no_http() -> Iterator[bytes]:
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)


TOO_MUCH = {
    "one header of 60 MB": (one_large_header, 431, "headers_too_large"),
    "10,000 headers": (many_headers, 431, "headers_too_large"),
    "101 headers": (a_few_too_many_headers, 431, "headers_too_large"),
    "36 KB of headers": (headers_large_together, 431, "headers_too_large"),
    "a URL of 1 MB": (a_long_url, 414, "url_too_long"),
    "TLS": (no_http, 400, "request_malformed"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_head_that_is_too_much_is_refused_while_it_arrives(receiver: Serving, name: str):
    pieces, status, reason = TOO_MUCH[name]
    before = len(lines_of(receiver, reason))
    with watched(receiver):
        answer = answer_to(receiver, pieces)
    assert status_of(answer) == status and b"connection: close" in answer
    line = said_once(receiver, reason, before)
    assert (line["status"], line["answered"], line["client_ip"]) == ("rejected", status, "127.0.0.1")
    assert line["delivery_id"].encode() in answer


def test_a_head_just_within_the_bounds_is_taken(receiver: Serving):
    large = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 300) for number in range(97))
    url = b"/api/webhooks/open?a=" + b"a" * 8000
    whole = b"POST " + url + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + large + b"Content-Length: 2\r\n\r\n{}"
    for size in (len(whole), 1000):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert status_of(answer_to(receiver, pieces.__iter__)) == 202


SLOW = {
    "nothing at all": (b"", 408, "head_incomplete"),
    "a head that stops": (HEAD + b"X-Never:", 408, "head_incomplete"),
    "line breaks": (b"\r\n" * 5, 408, "head_incomplete"),
    "a body that stops": (HEAD + b"Content-Length: 100\r\n\r\n{", 408, "body_incomplete"),
}


@pytest.mark.parametrize("name", SLOW)
def test_who_stops_in_the_middle_is_told_and_let_go(receiver: Serving, name: str):
    sent, status, reason = SLOW[name]
    before = len(lines_of(receiver, reason))
    assert status_of(answer_to(receiver, lambda: iter([sent]))) == status
    said_once(receiver, reason, before)


def drop_by_drop(first: bytes, drop: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield first
        pause = threading.Event()
        while True:
            pause.wait(0.02)
            yield drop

    return pieces


@pytest.mark.parametrize(
    ("first", "reason"),
    [(HEAD + b"X-Slow: ", "head_incomplete"), (HEAD + b"Content-Length: 100000\r\n\r\n", "body_incomplete")],
)
def test_many_that_send_a_byte_at_a_time_hold_nobody_up(receiver: Serving, first: bytes, reason: str):
    count, before = 50, len(lines_of(receiver, reason))
    with watched(receiver), ThreadPoolExecutor(count) as slow:
        answers = list(slow.map(lambda _: answer_to(receiver, drop_by_drop(first, b"a")), range(count)))
    assert [status_of(answer) for answer in answers] == [408] * count
    wait_until(lambda: len(lines_of(receiver, reason)) == before + count, 20, what=f"{count} lines of {reason}")


def test_a_trailer_is_no_header_whenever_it_comes(receiver: Serving):
    body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n"
    body += b"X-Forwarded-For: 192.0.2.9\r\nX-A: b\r\n\r\n"
    for size in (len(body), 20):  # in one piece with the head the app has not begun yet
        pieces = [HEAD + body[:size], *(body[at : at + size] for at in range(size, len(body), size))]
        answer = answer_to(receiver, lambda: iter(pieces))  # noqa: B023 (called at once)
        assert status_of(answer) == 202
        told = receiver.http.get(f"/api/admin/deliveries/{delivery_of(answer)}", headers=ADMIN).json()
        assert "host" in told["headers"] and not {"x-a", "x-forwarded-for"} & set(told["headers"])


def delivery_of(answer: bytes) -> str:
    [found] = re.findall(rb"webhook-delivery-id: ([0-9a-f-]+)", answer)
    return str(found.decode())


def test_trailers_without_end_are_cut_off(receiver: Serving):
    def trailers() -> Iterator[bytes]:
        yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
        for _ in range(60):
            yield b"X-Trailer: " + b"a" * MIB

    before = len(lines_of(receiver, "headers_too_large"))
    with watched(receiver):
        answer_to(receiver, trailers)
    assert said_once(receiver, "headers_too_large", before)["detail"] == "behind the body"


def test_requests_behind_one_another_are_answered_in_order_and_only_so_many_wait(receiver: Serving):
    last = GOOD.replace(b"Host: a", b"Host: a\r\nConnection: close")
    assert answer_to(receiver, lambda: iter([GOOD * 9 + last])).count(b"HTTP/1.1 202") == 10
    before = len(lines_of(receiver, "overloaded"))
    with watched(receiver):
        answers = answer_to(receiver, lambda: iter([GOOD * 5000]))
    assert 1 <= answers.count(b"HTTP/1.1 202") < 100
    assert said_once(receiver, "overloaded", before)["detail"].endswith("one connection")


def test_many_large_bodies_at_once_wait_for_room_or_are_told_to_come_again(tmp_path: Path):
    body = b"a" * (25 * MIB)
    head = b"POST /api/webhooks/large HTTP/1.1\r\nHost: a\r\nX-API-Key: wrong\r\nConnection: close\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(body)
    with serving(tmp_path, WEBHOOKS_BODY_BUDGET="64", WEBHOOKS_UNVERIFIED_LIMIT="off", LARGE="secret") as running:
        running.define("open")
        running.define("large", max_body=25 * MIB, verification={"scheme": "api-key", "secret": "env:LARGE"})
        with watched(running), ThreadPoolExecutor(64) as senders:
            answers = list(senders.map(lambda _: answer_to(running, lambda: iter([head, body])), range(64)))
        statuses = [status_of(answer) for answer in answers]
        assert 401 in statuses and set(statuses) <= {401, 503}  # on a slow machine they come one after another
        assert all(b"retry-after: " in answer for answer in answers if status_of(answer) == 503)
        wait_until(lambda: len(lines_of(running, "overloaded")) == statuses.count(503), 20, what="a line of each")
        assert status_of(answer_to(running, lambda: iter([head, body]))) == 401  # all room was given back


def test_too_many_requests_in_progress_are_refused_and_health_is_told_all_the_same(tmp_path: Path):
    with serving(tmp_path, WEBHOOKS_MAX_REQUESTS="3") as running, ThreadPoolExecutor(3) as callers:
        running.define("waits", mode="sync", timeout=120)
        running.define("quick")
        waiting = [callers.submit(running.http.post, "/api/webhooks/waits", json={}) for _ in range(3)]
        wait_until(lambda: len(running.stored(webhook="waits")) == 3, 20, what="three wait")
        refused = running.http.post("/api/webhooks/quick", json={})
        assert refused.status_code == 503 and refused.headers["retry-after"] == "5"
        assert running.http.get("/health/live").status_code == running.http.get("/health/ready").status_code == 200
        wait_until(lambda: lines_of(running, "overloaded"), 20, what="its line")
        [line] = lines_of(running, "overloaded")
        assert (line["webhook"], line["answered"]) == ("quick", 503)
        assert running.stored(webhook="quick") == []
        running.stop()
        assert {each.result(60).status_code for each in waiting} == {202}


def test_what_waiting_callers_bodies_inflate_to_counts(tmp_path: Path):
    body, packed = gzip.compress(b"{}" + b" " * 600_000), {"Content-Encoding": "gzip"}
    with serving(tmp_path, WEBHOOKS_BODY_BUDGET="1") as running, ThreadPoolExecutor(1) as callers:
        running.define("waits", mode="sync", timeout=120)
        waiting = callers.submit(running.http.post, "/api/webhooks/waits", content=body, headers=packed)
        wait_until(lambda: running.stored(webhook="waits"), 20, what="one waits")
        refused = running.http.post("/api/webhooks/waits", content=body, headers=packed)
        assert refused.status_code == 503 and "connection" not in refused.headers
        assert len(running.stored(webhook="waits")) == 1
        running.stop()
        assert waiting.result(60).status_code == 202


def test_too_many_connections_are_refused_and_room_is_made_by_those_that_end(tmp_path: Path):
    with serving(tmp_path, WEBHOOKS_MAX_CONNECTIONS="5") as running:
        running.http.close()  # its own is one of them
        with contextlib.ExitStack() as held:
            for _ in range(5):
                held.enter_context(connected(running)).sendall(b"GET /health/live HTTP/1.1\r\n")
            wait_until(lambda: b" 503 " in answer_to(running, lambda: iter([])), 20, what="a refusal")
        wait_until(lambda: lines_of(running, "overloaded"), 20, what="its line")
        last = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        wait_until(lambda: b" 200 " in answer_to(running, lambda: iter([last])), 20, what="an answer")
