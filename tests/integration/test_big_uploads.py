"""Big bodies at a running receiver: many at once and slow ones among them, in little memory, whole afterwards."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # no stubs are installed
import pytest

from tests.support.ports import free_port
from tests.support.serving import Serving, serving
from tests.support.waiting import wait_until

MB = 1_000_000
SIZE = 20 * MB
SECRET = "a secret of this test"
ROOM = 250 * 2**20
"""What the receiver may have grown by; what is sent at once is three times that."""


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home = tmp_path_factory.mktemp("uploads")
    with serving(home, SENDERS_SECRET=SECRET, WEBHOOKS_ADMIN_PORT=str(free_port())) as running:
        running.define("open", max_body=25 * 2**20)
        verification = {"scheme": "github", "secret": "env:SENDERS_SECRET"}
        running.define("signed", verification=verification, max_body=25 * 2**20)
        yield running


def sent(receiver: Serving, key: str, body: bytes, *, pieces: int = 1, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer; the body goes in so many pieces, with a pause before each further one."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=240)
    try:
        connection.putrequest("POST", f"/api/webhooks/{key}")
        usual = {"Content_Type": "application/json", "Content_Length": str(len(body))}
        for name, value in {**usual, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        step = -(-len(body) // pieces)
        for start in range(0, len(body), step):
            if start:
                threading.Event().wait(0.2)  # a slow sender
            connection.send(memoryview(body)[start : start + step])
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def big_json(number: int) -> bytes:
    return json.dumps({"id": number, "blob": "x" * (SIZE - 100)}).encode()


def with_file(data: bytes) -> tuple[str, bytes]:
    head = b'--edge\r\nContent-Disposition: form-data; name="doc"; filename="a.bin"\r\n\r\n'
    return "multipart/form-data; boundary=edge", head + data + b"\r\n--edge--\r\n"


def test_forty_at_once_are_stored_whole_in_little_memory(receiver: Serving):
    process, ended = psutil.Process(receiver.process.pid), threading.Event()
    before = process.memory_info().rss
    body = big_json(1)
    digest = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()

    def watch() -> int:
        largest = 0
        while not ended.wait(0.02):
            largest = max(largest, process.memory_info().rss)
        return largest

    def send(number: int) -> tuple[int, dict[str, str]]:
        names = {"X_Hub_Signature_256": digest, "X_GitHub_Delivery": f"event-{number}"}
        while (answer := sent(receiver, "signed", body, pieces=8 if number % 4 == 0 else 1, **names))[0] == 503:
            assert "retry-after" in answer[1]
            threading.Event().wait(1)
        return answer

    with ThreadPoolExecutor(41) as pool:
        largest = pool.submit(watch)
        try:
            answers = list(pool.map(send, range(40)))
        finally:
            ended.set()
    assert {status for status, _ in answers} == {202}
    assert largest.result() - before < ROOM
    delivery_id = answers[0][1]["webhook-delivery-id"]
    with receiver.admin.stream("GET", f"/api/admin/deliveries/{delivery_id}/body") as answer:
        assert hashlib.sha256(b"".join(answer.iter_raw())).digest() == hashlib.sha256(body).digest()


def stored_id(answer: tuple[int, dict[str, str]]) -> str:
    status, headers = answer
    assert status == 202
    return headers["webhook-delivery-id"]


def files_of(receiver: Serving) -> list[Path]:
    return sorted(path for path in (receiver.home / "bodies").rglob("*") if path.is_file())


def test_a_big_file_is_given_back_whole_and_in_parts(receiver: Serving):
    data = bytes(range(256)) * 8000
    content_type, body = with_file(data)
    address = f"/api/admin/deliveries/{stored_id(sent(receiver, 'open', body, Content_Type=content_type))}"
    whole = receiver.admin.get(f"{address}/files/0")
    assert (whole.content, whole.headers["content-length"]) == (data, str(len(data)))
    part = receiver.admin.get(f"{address}/body", headers={"Range": "bytes=1000-1500999"})
    assert (part.status_code, part.content) == (206, body[1000:1501000])
    assert part.headers["content-range"] == f"bytes 1000-1500999/{len(body)}"
    document = receiver.admin.get(f"{address}/context").json()
    assert document["files"][0]["size"] == len(data) and document["data"]["doc"]["index"] == 0


def test_what_a_flow_gets_of_a_big_body_is_its_data_and_a_replay_may_have_another(receiver: Serving):
    text = "é" * 400_000
    address = f"/api/admin/deliveries/{stored_id(sent(receiver, 'open', json.dumps({'text': text}).encode()))}"
    assert receiver.admin.get(f"{address}/context").json()["data"] == {"text": text}
    receiver.admin.patch("/api/admin/webhooks/open", json={"state": "paused"})
    held = stored_id(sent(receiver, "open", json.dumps({"text": text}).encode()))
    receiver.admin.post(f"/api/admin/deliveries/{held}/discard").raise_for_status()
    edited = {"text": "ü" * 500_000}
    replayed = receiver.admin.post(f"/api/admin/deliveries/{held}/replay", json={"data": edited})
    assert replayed.status_code == 202, replayed.text
    assert receiver.admin.get(f"/api/admin/deliveries/{held}/context").json()["data"] == edited
    first = receiver.admin.get(f"/api/admin/deliveries/{held}/context", params={"attempt": 1}).json()
    assert first["data"] == {"text": text}
    receiver.admin.patch("/api/admin/webhooks/open", json={"state": "enabled"})


def test_a_big_body_that_cannot_be_read_is_held_whole_and_of_a_refused_one_a_little_is_kept(receiver: Serving):
    receiver.define("careful", max_body=25 * 2**20, on_invalid="hold")
    broken = b'{"a": ' + b"x" * MB
    held = stored_id(sent(receiver, "careful", broken))
    assert receiver.admin.get(f"/api/admin/deliveries/{held}").json()["status"] == "held"
    assert receiver.admin.get(f"/api/admin/deliveries/{held}/body").content == broken
    status, headers = sent(receiver, "signed", broken, X_Hub_Signature_256="sha256=" + "0" * 64)
    assert status == 401
    refused = f"/api/admin/deliveries/{headers['webhook-delivery-id']}"
    assert receiver.admin.get(refused).json()["body_size"] == len(broken)
    assert receiver.admin.get(f"{refused}/body").content == broken[: 16 * 1024]


def test_a_body_that_is_not_there_any_more_is_gone_and_no_failure(receiver: Serving):
    before = set(files_of(receiver))
    address = f"/api/admin/deliveries/{stored_id(sent(receiver, 'open', b'[' + b'1,' * 900_000 + b'1]'))}"
    [file] = set(files_of(receiver)) - before
    file.unlink()  # as of a backup of the database alone
    for what in ("body", "context"):
        gone = receiver.admin.get(f"{address}/{what}")
        assert gone.status_code == 410 and "restored without it" in gone.json()["detail"]
    assert receiver.admin.get(address).status_code == 200


def test_while_the_storage_fails_big_bodies_get_503_and_small_ones_go_on(receiver: Serving):
    folder, aside = receiver.home / "bodies", receiver.home / "aside"
    stored = len(receiver.stored(webhook="open", limit="200"))
    folder.rename(aside)
    folder.write_text("no folder")
    try:
        status, headers = sent(receiver, "open", big_json(7))
        assert status == 503 and headers["retry-after"]
        assert len(receiver.stored(webhook="open", limit="200")) == stored
        assert sent(receiver, "open", b"{}")[0] == 202
    finally:
        folder.unlink()
        aside.rename(folder)
    assert sent(receiver, "open", big_json(7))[0] == 202


def test_callers_who_wait_for_their_answer_keep_no_big_body_in_memory(receiver: Serving):
    receiver.define("patient", mode="sync", timeout=6, max_body=25 * 2**20)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(sent, receiver, "patient", big_json(number)) for number in range(8)]
        wait_until(lambda: len(receiver.stored(webhook="patient")) == 8, what="all are stored and wait for their runs")
        assert not all(each.done() for each in waiting)
        assert sent(receiver, "open", big_json(9))[0] == 202  # there is a place at the bench
        answers = [each.result() for each in waiting]
    assert {status for status, _ in answers} == {202}


def test_a_compressed_body_is_kept_as_what_it_inflates_to(receiver: Serving):
    body = json.dumps({"blob": "".join(f"{number:x}" for number in range(400_000))}).encode()
    packed = gzip.compress(body)
    assert len(packed) > 512 * 1024
    delivery_id = stored_id(sent(receiver, "open", packed, Content_Encoding="gzip"))
    told = receiver.admin.get(f"/api/admin/deliveries/{delivery_id}")
    assert told.json()["body_size"] == len(body)
    assert receiver.admin.get(f"/api/admin/deliveries/{delivery_id}/body").content == body
