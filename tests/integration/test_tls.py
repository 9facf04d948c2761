"""TLS by the receiver itself: what is shown, who believes it, and how a renewed certificate is taken up."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.contract.pinned_tls import trust
from tests.integration.test_serving import refused
from tests.support.certificates import self_signed
from tests.support.ports import free_port
from tests.support.serving import Serving, environment, serving
from tests.support.waiting import wait_until

NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home = tmp_path_factory.mktemp("tls")
    certificate = self_signed(home, NAME)
    limits = {"WEBHOOKS_TLS_MIN_VERSION": "1.3", "WEBHOOKS_HEAD_SECONDS": "2"}
    with serving(home, WEBHOOKS_TLS_CERTIFICATE=str(certificate), **limits) as running:
        running.define("open")
        yield running


def shown_at(port: int, context: ssl.SSLContext | None = None) -> bytes:
    """The certificate that is shown there, not verified."""
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 20) as plain, context.wrap_socket(plain) as encrypted:
        return encrypted.getpeercert(binary_form=True) or b""


def ssl_of(receiver: Serving) -> ssl.SSLContext:
    context = trust(receiver.home / "server.pem")
    assert isinstance(context, ssl.SSLContext)
    return context


def listed(home: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "receiver.cli", "list", "--json"]
    return subprocess.run(command, env=environment(home, **more), cwd=home, capture_output=True, timeout=120)


def test_senders_are_answered_over_tls_and_told_https_addresses(receiver: Serving):
    answer = receiver.http.post("/api/webhooks/open", json={})
    assert answer.status_code == 202
    assert answer.json()["status_url"].startswith(f"https://127.0.0.1:{receiver.port}/")


def test_an_older_tls_than_is_allowed_is_not_spoken(receiver: Serving):
    old = ssl_of(receiver)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shown_at(receiver.port, old)
    assert shown_at(receiver.port, ssl_of(receiver))


def test_plain_http_and_a_handshake_that_stops_get_nothing_and_are_let_go(receiver: Serving):
    for sent in (b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01", b""):
        with socket.create_connection(("127.0.0.1", receiver.port), 20) as connection:
            connection.sendall(sent)
            got = b""
            try:
                while piece := connection.recv(4096):
                    got += piece
            except ConnectionResetError:
                pass
            assert b"HTTP" not in got
    assert receiver.http.get("/health/live").status_code == 200


def test_too_much_is_refused_over_tls_too(receiver: Serving):
    answer = receiver.http.post("/api/webhooks/open", json={}, headers={"X-Large": "a" * 40_000})
    assert answer.status_code == 431


def test_commands_on_the_same_machine_believe_that_certificate_and_no_other(receiver: Serving):
    done = listed(receiver.home)
    assert done.returncode == 0, done.stderr
    assert [each["key"] for each in json.loads(done.stdout)] == ["open"]
    (elsewhere := receiver.home / "elsewhere").mkdir()
    written = json.loads((receiver.home / "receiver.json").read_text())
    (elsewhere / "receiver.json").write_text(json.dumps({**written, "certificate": str(self_signed(elsewhere, NAME))}))
    done = listed(elsewhere)
    assert done.returncode == 1 and b"does not show the valid certificate" in done.stderr
    done = listed(elsewhere, WEBHOOKS_URL=f"https://localhost:{receiver.port}")
    assert done.returncode == 1 and b"not one this machine trusts" in done.stderr


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(tmp_path: Path):
    (new_folder := tmp_path / "new").mkdir()
    file = self_signed(tmp_path, NAME)
    with serving(tmp_path, WEBHOOKS_TLS_CERTIFICATE=str(file)) as running:
        first = shown_at(running.port)
        file.write_text("half of a cert")
        wait_until(lambda: "not taken up yet" in running.said(), 20, what="the broken file is told")
        assert shown_at(running.port) == first
        renewed = self_signed(new_folder, NAME)
        renewed.replace(file)
        wait_until(lambda: shown_at(running.port) != first, 20, what="the renewed certificate is shown")
        assert listed(tmp_path).returncode == 0
        assert running.stop() == 0, running.said()
        assert "Traceback" not in running.said()


def test_an_admin_port_on_this_machine_stays_plain(tmp_path: Path):
    tls = {"WEBHOOKS_TLS_CERTIFICATE": str(self_signed(tmp_path, NAME)), "WEBHOOKS_ADMIN_PORT": str(free_port())}
    with serving(tmp_path, **tls) as running:
        running.define("open")
        assert running.http.post("/api/webhooks/open", json={}).status_code == 202
        written = json.loads((tmp_path / "receiver.json").read_text())
        assert written["url"].startswith("http://") and written["certificate"] is None
        assert listed(tmp_path).returncode == 0


def test_a_certificate_that_cannot_be_used_ends_it_with_the_setting_to_mend(tmp_path: Path):
    port, certificate = str(free_port()), str(self_signed(tmp_path, NAME))
    absent = refused(tmp_path, WEBHOOKS_PORT=port, WEBHOOKS_TLS_CERTIFICATE=str(tmp_path / "absent.pem"))
    assert absent.startswith("webhooks: WEBHOOKS_TLS_CERTIFICATE") and "No such file" in absent
    (tmp_path / "other").mkdir()
    other = str(self_signed(tmp_path / "other", NAME))
    mismatch = refused(tmp_path, WEBHOOKS_PORT=port, WEBHOOKS_TLS_CERTIFICATE=certificate, WEBHOOKS_TLS_KEY=other)
    assert mismatch.startswith("webhooks: WEBHOOKS_TLS_KEY") and "is not the key" in mismatch
