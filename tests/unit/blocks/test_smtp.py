"""E-mail through a real mail server on loopback, and into a folder."""

from __future__ import annotations

import asyncio
import stat
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from pydantic import SecretStr, ValidationError

from blocks import Smtp
from blocks.errors import Failed, TryAgain
from tests.support.certificates import self_signed, server_tls
from tests.support.mail import Mailbox, mail_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"), "127.0.0.1")


def letter(to: str = "ada@example.com", message_id: str = "<1@example.com>") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "bot@example.com", to, "Привіт"
    message["Message-ID"] = message_id
    message.set_content("Hello")
    return message


def authenticator(server, session, envelope, mechanism, data) -> AuthResult:
    correct = isinstance(data, LoginPassword) and (data.login, data.password) == (b"bot", b"s3cret")
    return AuthResult(success=correct, handled=False)


async def test_a_message_arrives_whole(free_port: int):
    mailbox = Mailbox()
    with mail_server(mailbox, free_port):
        refused = await Smtp(host="127.0.0.1", port=free_port, security="none").deliver(letter())

    assert refused == {}
    [envelope] = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("bot@example.com", ["ada@example.com"])
    assert isinstance(envelope.content, bytes)
    assert message_from_bytes(envelope.content, policy=policy.SMTP)["Subject"] == "Привіт"


async def test_starttls_encrypts_before_the_login(free_port: int, certificate: Path):
    mailbox = Mailbox()
    tls = server_tls(certificate)
    with mail_server(
        mailbox, free_port, tls_context=tls, require_starttls=True, auth_required=True, authenticator=authenticator
    ):
        smtp = Smtp(
            host="127.0.0.1", port=free_port, username="bot", password=SecretStr("s3cret"), ca_file=str(certificate)
        )
        await smtp.deliver(letter())

    assert len(mailbox.envelopes) == 1


async def test_a_wrong_password_is_final(free_port: int, certificate: Path):
    with mail_server(
        Mailbox(), free_port, tls_context=server_tls(certificate), auth_required=True, authenticator=authenticator
    ):
        smtp = Smtp(
            host="127.0.0.1", port=free_port, username="bot", password=SecretStr("wrong"), ca_file=str(certificate)
        )
        with pytest.raises(Failed, match="535") as caught:
            await smtp.deliver(letter())

    assert "wrong" not in str(caught.value)


async def test_tls_from_the_first_byte(free_port: int, certificate: Path):
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(mailbox, loop=loop), "127.0.0.1", free_port, ssl=server_tls(certificate)
    )
    async with server:
        await Smtp(host="127.0.0.1", port=free_port, security="tls", ca_file=str(certificate)).deliver(letter())

    assert len(mailbox.envelopes) == 1


async def test_a_certificate_nobody_vouches_for_is_refused_for_good(free_port: int, certificate: Path):
    mailbox = Mailbox()
    with (
        mail_server(mailbox, free_port, tls_context=server_tls(certificate)),
        pytest.raises(Failed, match="certificate is not trusted"),
    ):
        await Smtp(host="127.0.0.1", port=free_port).deliver(letter())

    assert mailbox.envelopes == []


async def test_a_server_without_starttls_gets_nothing(free_port: int):
    mailbox = Mailbox()
    with mail_server(mailbox, free_port), pytest.raises(Failed, match="cannot do what the block asks for"):
        await Smtp(host="127.0.0.1", port=free_port, security="starttls").deliver(letter())

    assert mailbox.envelopes == []


async def test_some_recipients_refused_are_told(free_port: int):
    mailbox = Mailbox({"bob@example.com": "550 no such person"})
    with mail_server(mailbox, free_port):
        smtp = Smtp(host="127.0.0.1", port=free_port, security="none")
        refused = await smtp.deliver(letter("ada@example.com, bob@example.com"))

    assert refused == {"bob@example.com": "550 no such person"}
    assert mailbox.envelopes[0].rcpt_tos == ["ada@example.com"]


@pytest.mark.parametrize(
    ("recipient", "after_data", "kind"),
    [
        ("550 no such person", "250 taken", Failed),
        ("450 mailbox is busy", "250 taken", TryAgain),
        ("250 ok", "554 spam", Failed),
        ("250 ok", "451 later", TryAgain),
    ],
)
async def test_a_refusal_for_now_is_told_from_one_for_good(free_port: int, recipient: str, after_data: str, kind):
    with mail_server(Mailbox({"ada@example.com": recipient}, after_data), free_port), pytest.raises(kind):
        await Smtp(host="127.0.0.1", port=free_port, security="none").deliver(letter())


async def test_a_server_that_is_down_is_worth_another_try(free_port: int):
    with pytest.raises(TryAgain, match="cannot be used just now"):
        await Smtp(host="127.0.0.1", port=free_port, security="none").deliver(letter())


async def test_without_a_server_each_message_is_a_private_file(tmp_path: Path):
    folder = tmp_path / "home" / "mail"
    smtp = Smtp(directory=str(folder))

    await smtp.deliver(letter())
    await smtp.deliver(letter(message_id="<../../etc/passwd@example.com>"))
    await smtp.deliver(letter())  # a retry

    assert sorted(path.name for path in folder.iterdir()) == ["1-example.com.eml", "etc-passwd-example.com.eml"]
    file = folder / "1-example.com.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = message_from_bytes(file.read_bytes(), policy=policy.SMTP)
    assert (kept["Subject"], kept.get_content().strip()) == ("Привіт", "Hello")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "mail.example.com", "directory": "/tmp/mail"},
        {"host": "mail.example.com", "security": "none", "username": "bot", "password": "s3cret"},
    ],
)
def test_a_block_that_could_not_work_or_would_leak_is_refused(fields):
    with pytest.raises(ValidationError):
        Smtp(**fields)
