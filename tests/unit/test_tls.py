"""A certificate and its key: what cannot be used is one line that names the setting; who shows which is known."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from receiver.contract.errors import WebhooksError
from receiver.contract.pinned_tls import trust
from receiver.tls import ServerTls
from tests.support.certificates import self_signed, server_tls
from tests.support.http_server import Answer, HttpServer


def key_in(file: Path, password: bytes | None = None) -> Path:
    """A key that belongs to no certificate."""
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
    return file


def certificate_alone(folder: Path) -> Path:
    whole = self_signed(folder, "hooks.example.com").read_text()
    (alone := folder / "alone.pem").write_text(whole[: whole.index("-----BEGIN PRIVATE KEY")])
    return alone


def test_what_is_no_certificate_and_its_key_is_told_in_one_line(tmp_path: Path):
    whole, alone = self_signed(tmp_path, "hooks.example.com"), certificate_alone(tmp_path)
    key, sealed = key_in(tmp_path / "key.pem"), key_in(tmp_path / "sealed.pem", b"pass")
    (nothing := tmp_path / "nothing.pem").write_text("nothing")
    wrong: list[tuple[Path, Path | None, str]] = [
        (tmp_path / "absent.pem", None, "WEBHOOKS_TLS_CERTIFICATE .*absent.pem cannot be read: No such file"),
        (tmp_path, None, "WEBHOOKS_TLS_CERTIFICATE .* cannot be read: Is a directory"),
        (nothing, None, "WEBHOOKS_TLS_CERTIFICATE .*nothing.pem holds no certificate"),
        (key, None, "WEBHOOKS_TLS_CERTIFICATE .*key.pem holds no certificate"),
        (alone, None, "WEBHOOKS_TLS_KEY is not set, and .*alone.pem holds no key"),
        (whole, tmp_path / "absent.pem", "WEBHOOKS_TLS_KEY .*absent.pem cannot be read: No such file"),
        (whole, nothing, "WEBHOOKS_TLS_KEY .*nothing.pem holds no private key"),
        (whole, key, "WEBHOOKS_TLS_KEY .*key.pem is not the key of the certificate in .*server.pem"),
        (whole, sealed, "WEBHOOKS_TLS_KEY .*sealed.pem is encrypted"),
    ]
    for certificate, its_key, words in wrong:
        with pytest.raises(WebhooksError, match=words) as refused:
            ServerTls(certificate, its_key, "1.2")
        assert "\n" not in str(refused.value)


def test_a_key_may_be_in_a_file_of_its_own_or_beside_the_certificate(tmp_path: Path):
    whole = self_signed(tmp_path, "hooks.example.com")
    for certificate, key in ((whole, None), (whole, whole)):
        assert ServerTls(certificate, key, "1.3").context.minimum_version is ssl.TLSVersion.TLSv1_3


async def test_a_client_of_this_machine_trusts_that_very_certificate_whatever_name_it_is_for(tmp_path: Path):
    shown = self_signed(tmp_path, "hooks.example.com")
    (other_folder := tmp_path / "other").mkdir()
    other = self_signed(other_folder, "hooks.example.com")
    async with HttpServer(server_tls(shown)) as server:
        server.answers = [Answer(body="it")]
        async with httpx.AsyncClient(verify=trust(shown)) as client:
            assert (await client.get(server.url)).text == "it"
        for wrong in (trust(other), trust(None)):
            async with httpx.AsyncClient(verify=wrong) as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(server.url)


def test_a_file_without_a_certificate_is_trusted_by_nobody(tmp_path: Path):
    with pytest.raises(ValueError, match="holds no certificate"):
        trust(key_in(tmp_path / "key.pem"))
    with pytest.raises(FileNotFoundError):
        trust(tmp_path / "absent.pem")
