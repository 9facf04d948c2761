"""`webhooks serve` as a process: how it starts, refuses to start, answers over a socket, and stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.serving import Serving, environment, serving
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("serving")) as running:
        running.define("open", max_body=100)
        running.define("disabled", state="disabled")
        yield running


def refused(home: Path, **more: str) -> str:
    """What a receiver that cannot start says; it ends by itself with an exit code that is not 0."""
    env = {name: value for name, value in environment(home, **more).items() if value}
    ended = subprocess.run(
        [sys.executable, "-m", "receiver.cli", "serve"], env=env, cwd=home, capture_output=True, timeout=300
    )
    said = ended.stderr.decode()
    assert ended.returncode == 1 and "Traceback" not in said, (ended.returncode, said)
    return said.splitlines()[-1]


def test_without_an_address_of_prefect_it_ends_with_one_line_that_names_the_setting(tmp_path: Path):
    said = refused(tmp_path, PREFECT_API_URL="", WEBHOOKS_PORT=str(free_port()))
    assert said.startswith("webhooks: PREFECT_API_URL is not set") and "webhooks up" in said


def test_a_database_that_cannot_be_opened_ends_it_with_the_next_step(tmp_path: Path):
    said = refused(tmp_path, WEBHOOKS_DATABASE_URL="mysql://user:hidden@host/name", WEBHOOKS_PORT=str(free_port()))
    assert said.startswith("webhooks: WEBHOOKS_DATABASE_URL names 'mysql'") and "hidden" not in said


def test_a_taken_port_ends_it_with_the_setting_to_change(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = refused(tmp_path, WEBHOOKS_PORT=str(taken.getsockname()[1]))
    assert "WEBHOOKS_PORT" in said


def test_a_second_receiver_of_a_home_is_refused_and_leaves_the_address_of_the_first(tmp_path: Path):
    with serving(tmp_path) as first:
        address = (tmp_path / "receiver.json").read_text()
        said = refused(tmp_path, WEBHOOKS_PORT=str(free_port()))
        assert "another receiver" in said and "WEBHOOKS_DATABASE_URL" in said
        assert (tmp_path / "receiver.json").read_text() == address and str(first.port) in address


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals):
    with serving(tmp_path) as running:
        assert (tmp_path / "receiver.json").exists()
        assert running.stop(number) == 0, running.said()
        assert "Traceback" not in running.said()
        assert not (tmp_path / "receiver.json").exists()


HEADS = {
    "unknown path": "POST /api/webhooks/nobody%2Fs HTTP/1.1",
    "line break in the path": "POST /api/webhooks/a%0Ab HTTP/1.1",
    "NUL in the path": "POST /api/webhooks/%00 HTTP/1.1",
    "whole address": "POST http://elsewhere.example/api/webhooks/nobody HTTP/1.1",
    "broken escape": "GET /api/webhooks/%zz%e9?%=&&=;%ff HTTP/1.1",
    "odd method": "PROPFIND /api/webhooks/nobody HTTP/1.1",
    "disabled": "POST /api/webhooks/disabled HTTP/1.1",
    "disabled, wrong method": "DELETE /api/webhooks/disabled HTTP/1.1",
    "disabled, in HTTP/1.0": "OPTIONS /api/webhooks/disabled HTTP/1.0",
}


def parted(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_whatever_is_not_served_gets_the_same_404_and_a_line(receiver: Serving):
    before = len(receiver.logged())
    answers = []
    for start in HEADS.values():
        odd = "Host: a@b:c/d\r\nX-Odd: \xe9\xff\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        answers.append(parted(receiver.raw(f"{start}\r\n{odd}", b"{}")))
    for status, headers, _ in answers:
        headers.pop("webhook-delivery-id")
        headers.pop("date")
        assert status == 404
    assert all(answer == answers[0] for answer in answers), dict(zip(HEADS, answers, strict=True))
    wait_until(lambda: len(receiver.logged()) >= before + len(HEADS), 20, what="every line is written")
    lines = receiver.logged()[before:]
    assert [line["answered"] for line in lines] == [404] * len(HEADS)
    assert [line["reason"] for line in lines[-3:]] == ["webhook_disabled"] * 3


def test_a_head_request_gets_the_head_alone(receiver: Serving):
    answer = receiver.http.head("/api/webhooks/open")
    assert answer.status_code == 405 and answer.headers["allow"] == "POST" and answer.content == b""


def test_nobody_is_sent_to_where_the_host_header_says(receiver: Serving):
    answer = receiver.http.post("/api/webhooks", headers={"Host": "evil.example"})
    assert answer.status_code == 404 and "location" not in answer.headers


@pytest.mark.parametrize("chunked", [False, True])
def test_a_sender_of_far_too_much_gets_its_413_all_the_same(receiver: Serving, chunked: bool):
    size = 8 * 1024 * 1024
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size) if chunked else b"x" * size
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    status, headers, _ = parted(receiver.raw(f"POST /api/webhooks/open HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n", body))
    assert status == 413 and headers["connection"] == "close"


def test_a_sender_that_asks_first_is_told_before_it_sends(receiver: Serving):
    head = "POST /api/webhooks/open HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n"
    assert parted(receiver.raw(f"{head}Content-Length: 200\r\n\r\n"))[0] == 413
    interim, _, final = receiver.raw(f"{head}Content-Length: 2\r\n\r\n", b"{}").partition(b"\r\n\r\n")
    assert interim == b"HTTP/1.1 100 Continue" and parted(final)[0] == 202


@pytest.mark.parametrize("offer", ["Upgrade, HTTP2-Settings", "upgrade, Close", "Upgrade"])
def test_a_sender_that_offers_another_protocol_is_served_with_its_body_all_the_same(receiver: Serving, offer: str):
    before = len(receiver.stored(webhook="open"))
    named = "websocket" if offer == "Upgrade" else "h2c"
    head = "POST /api/webhooks/open HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
    first = f'{head}Connection: {offer}\r\nUpgrade: {named}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n{{"a": 12}}'
    last = f'{head}Connection: close\r\n\r\n{{"b": 45}}'
    answers = receiver.raw(first + last)
    assert answers.count(b"HTTP/1.1 202") == (1 if "Close" in offer else 2)
    rows = receiver.stored(webhook="open")
    assert [row["body_size"] for row in rows[: len(rows) - before]] == [9] * answers.count(b"HTTP/1.1 202")


def test_it_is_no_proxy(receiver: Serving):
    assert parted(receiver.raw("CONNECT hooks.example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 400


def test_a_caller_that_hangs_up_is_waited_for_no_longer_and_its_delivery_stays(receiver: Serving):
    receiver.define("impatient", mode="sync", timeout=120)
    mine = {"webhook": "impatient"}
    with socket.create_connection(("127.0.0.1", receiver.port), 20) as connection:
        connection.sendall(b"POST /api/webhooks/impatient HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        wait_until(lambda: receiver.stored(**mine), 20, what="the request is stored")
    wait_until(lambda: "hung up" in str(receiver.logged()[-1:]), 20, what="the hang-up is noticed")
    line = receiver.logged()[-1]
    assert (line["webhook"], line["status"]) == ("impatient", "queued") and "answered" not in line
    [row] = receiver.stored(**mine)
    assert (row["status"], row["response_status"]) == ("queued", None)


def test_a_stop_answers_who_waits_and_gives_the_delivery_to_the_next_receiver(tmp_path: Path):
    with serving(tmp_path) as running:
        running.define("sync", mode="sync", timeout=120)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(running.http.post, "/api/webhooks/sync", json={})
            wait_until(lambda: running.stored(), 20, what="the request is stored")
            assert running.stop() == 0, running.said()
            status_url = answer.result(20).json()["status_url"]
        assert answer.result().status_code == 202 and running.logged()[-1]["answered"] == 202
        assert "Traceback" not in running.said()
    with serving(tmp_path) as again:
        shown = again.http.get(httpx.URL(status_url).raw_path.decode())
        assert shown.json()["status"] == "queued"
