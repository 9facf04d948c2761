"""How messages leave: through a real mail server and to a real URL on loopback."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from receiver.alerts.book import Kind
from receiver.alerts.channels import MailChannel, NotSent, UrlChannel
from receiver.alerts.message import Message, Notice
from receiver.alerts.pacing import MOST_TRIES, messages, next_wait
from receiver.alerts.trouble import Rule, Trouble
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES
from receiver.ingress.verify.base import Secrets
from tests.support.certificates import self_signed, server_tls
from tests.support.http_server import Answer, HttpServer
from tests.support.mail import Mailbox, mail_server

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "whsec_" + "b25seSBmb3IgdGhpcyB0ZXN0IQ=="
TO = ("ops@example.com", "ada@example.com")


def notice(number: int = 1, kind: Kind = Kind.RAISED) -> Notice:
    trouble = Trouble(
        rule=Rule.WEBHOOK_SILENT, subject="orders", summary="orders: no request for 3 h", remedy="See at the sender."
    )
    return Notice(id=number, kind=kind, trouble=trouble, raised_at=NOW, at=NOW)


def message(*notices: Notice) -> Message:
    return Message(
        id="0b9d7a0c-1111-4222-8333-444455556666", notices=notices or (notice(),), source="https://hooks.test"
    )


def mail(port: int, scheme: str = "smtp", credentials: str = "", tls: ssl.SSLContext | None = None) -> MailChannel:
    return MailChannel(f"{scheme}://{credentials}127.0.0.1:{port}", "hooks@example.com", TO, tls)


async def test_an_e_mail_says_what_is_wrong_what_to_do_and_where(free_port: int):
    mailbox = Mailbox()
    with mail_server(mailbox, free_port):
        await mail(free_port).send(message())
    [envelope] = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("hooks@example.com", list(TO))
    assert isinstance(envelope.content, bytes)
    letter = message_from_bytes(envelope.content, policy=policy.SMTP)
    assert letter["Subject"] == "Webhooks: Warning: orders: no request for 3 h"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert [line for line in letter.get_content().splitlines() if line] == [
        "Warning: orders: no request for 3 h",
        "See at the sender.",
        "Installation: https://hooks.test",
    ]


def logs_in(server, session, envelope, mechanism, data) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"bot", b"s3cr@t/")
    return AuthResult(success=good, handled=False)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it is TLS from the first byte
async def test_the_password_is_percent_encoded_and_wrong_ones_are_told_without_it(free_port: int, tmp_path: Path):
    certificate = self_signed(tmp_path, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate))
    options = {"ssl_context": server_tls(certificate), "auth_require_tls": False, "auth_required": True}
    mailbox = Mailbox()
    with mail_server(mailbox, free_port, authenticator=logs_in, **options):
        await mail(free_port, "smtps", "bot:s3cr%40t%2F@", trusting).send(message())
        with pytest.raises(NotSent, match="535") as wrong:
            await mail(free_port, "smtps", "bot:wr0ng@", trusting).send(message())
        with pytest.raises(NotSent, match="SSLCertVerificationError"):
            await mail(free_port, "smtps", "bot:s3cr%40t%2F@").send(message())
    assert len(mailbox.envelopes) == 1 and "wr0ng" not in str(wrong.value)


@pytest.mark.parametrize(
    ("answers", "after_data", "words"),
    [
        (dict.fromkeys(TO, "550 no"), "250 ok", r"took no recipient \(550\)"),
        ({}, "554 spam of ops@example.com", "said 554"),
    ],
)
async def test_a_mail_server_that_refuses_is_told_by_its_code(
    free_port: int, answers: dict[str, str], after_data: str, words: str
):
    with mail_server(Mailbox(answers, after_data), free_port), pytest.raises(NotSent, match=words):
        await mail(free_port).send(message())


async def test_a_url_gets_what_chats_take_and_a_signature_that_verifies():
    async with HttpServer() as server:
        await UrlChannel(f"{server.url}/services/T0/secret", SECRET).send(message())
    [got] = server.requests
    sent = json.loads(got.body)
    assert sent["text"].startswith("Warning: orders: no request for 3 h\nSee at the sender.")
    assert sent["type"] == "webhooks.alert.raised"
    assert sent["data"]["alerts"][0]["resource"] == "webhooks.webhook.orders"
    request = RawRequest(
        method="POST",
        path=got.target,
        query_string="",
        headers=tuple(got.headers.items()),
        body=got.body,
        wire_body=got.body,
        client_ip="127.0.0.1",
        url="",
        received_at=datetime.now(UTC),
    )
    assert SCHEMES["standard-webhooks"]({}).verify(request, Secrets(SECRET), datetime.now(UTC))
    assert got.headers["webhook-id"] == message().id


async def test_without_a_secret_nothing_is_signed():
    async with HttpServer() as server:
        await UrlChannel(server.url).send(message())
    assert "webhook-signature" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404, "no_service /services/T0/secret"), "answered 404"),
        (Answer(302, headers={"Location": "http://127.0.0.1:1/"}), "answered 302"),
        (Answer(drop=True), "cannot be reached"),
    ],
)
async def test_a_url_that_does_not_take_it_is_told_without_the_address(answer: Answer, words: str):
    async with HttpServer() as server:
        server.answers = [answer]
        with pytest.raises(NotSent, match=words) as failure:
            await UrlChannel(f"{server.url}/services/T0/secret", SECRET).send(message())
        assert "secret" not in str(failure.value) and str(server.port) not in str(failure.value)


def test_no_channel_shows_its_secrets():
    shown = f"{UrlChannel('https://chat.test/T0/hidden', SECRET)!r} {mail(25, credentials='bot:hidden@')!r}"
    assert "hidden" not in shown and SECRET not in shown


def test_several_are_a_digest_with_all_of_them():
    several = message(notice(1), notice(2, Kind.RESOLVED), notice(3, Kind.REMINDED))
    assert several.subject == "Webhooks: 3 messages about warnings, 1 of them new"
    assert [line.partition(":")[0] for line in several.text.splitlines() if "orders" in line] == [
        "Warning",
        "Over",
        "Still",
    ]
    assert (
        several.document(NOW)["type"] == "webhooks.alert.digest" and len(several.document(NOW)["data"]["alerts"]) == 3
    )
    assert "And 10 more" in message(*(notice(number) for number in range(60))).text


@pytest.mark.parametrize(
    ("waiting", "room", "sizes"),
    [(0, 3, []), (3, 3, [1, 1, 1]), (4, 3, [4]), (4, 0, []), (4, -1, []), (4, None, [1] * 4), (1, 1, [1])],
)
def test_each_goes_alone_while_there_is_room_and_then_all_go_together(waiting: int, room: int | None, sizes: list[int]):
    found = messages([notice(number) for number in range(waiting)], room)
    assert [len(each) for each in found] == sizes


def test_tries_end_within_hours_and_wait_longer_each_time():
    waits = [wait for tries in range(1, MOST_TRIES) if (wait := next_wait(tries)) is not None]
    assert len(waits) == MOST_TRIES - 1 and waits == sorted(waits) and next_wait(MOST_TRIES) is None
    assert 3 < sum(wait.total_seconds() for wait in waits) / 3600 < 6
