"""TLS by the receiver itself: the certificate it shows, checked at start and taken up again when it is renewed."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from receiver.contract.errors import WebhooksError

log = logging.getLogger(__name__)

CERTIFICATE, KEY = "WEBHOOKS_TLS_CERTIFICATE", "WEBHOOKS_TLS_KEY"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ServerTls:
    """What the receiver shows. Raises WebhooksError naming the setting when the files are no certificate and its key.

    `certificate` holds its chain behind it; `key` is None where it is in the same file; `min_version` is `1.2` or
    `1.3`.
    """

    def __init__(self, certificate: Path, key: Path | None, min_version: str) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = _VERSIONS[min_version]
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen = self._stamps()
        self._load()

    def look(self) -> None:
        """Take the certificate up when its files have changed; what cannot be used is told, and the old one stays."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self._load()
        except WebhooksError as error:
            # Between the writing of one file and of the other this is so for a moment.
            log.warning("the renewed certificate is not taken up yet: %s", error)
        else:
            log.info("the renewed certificate is taken up")

    def _load(self) -> None:
        check_pair(self._certificate, self._key)
        try:
            # Before it is given to connections: a pair that fails half-way would leave the context without a key.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
            raise WebhooksError(f"{CERTIFICATE} {self._certificate} cannot be used: {reason}.") from None

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in (self._certificate, self._key) if file is not None)


def check_pair(certificate: Path, key: Path | None) -> None:
    """Raise WebhooksError, in one line that names the setting, unless the files hold a certificate and its key."""
    try:
        shown = x509.load_pem_x509_certificates(_read(certificate, CERTIFICATE))[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise WebhooksError(f"{CERTIFICATE} {certificate} holds no certificate in PEM form.") from None
    if key is None:
        problem = f"{KEY} is not set, and {certificate} holds no key beside the certificate."
    else:
        problem = f"{KEY} {key} holds no private key in PEM form."
    try:
        held = load_pem_private_key(_read(key or certificate, KEY), None).public_key()
    except TypeError:
        raise WebhooksError(f"{KEY} {key or certificate} is encrypted; nobody is there to tell its password.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise WebhooksError(problem) from None
    if held != shown:
        raise WebhooksError(f"{KEY} {key or certificate} is not the key of the certificate in {certificate}.")


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WebhooksError(f"{setting} {file} cannot be read: {error.strerror}.") from None


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
