"""TLS to a receiver on the same machine, whose certificate is at hand as a file: trusted is that one, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def trust(certificate: Path | str | None) -> ssl.SSLContext | bool:
    """What an HTTP client is to verify with: this file's first certificate, or for None all that the system trusts.

    Raises OSError when the file cannot be read and ValueError when there is no certificate in it.
    """
    import ssl

    if certificate is None:
        return True
    found = _FIRST.search(Path(certificate).read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise ValueError(f"{certificate} holds no certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is for the name that senders use, not for this machine's own address; who it is, is known by the whole of it.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=found[0])
    return context
