"""A folder that keeps e-mail as files."""

from __future__ import annotations

import os
import re
from email import policy
from email.message import EmailMessage
from pathlib import Path

from blocks.home import private_folder


def keep(message: EmailMessage, folder: Path) -> Path:
    """Write the message as an `.eml` file named for its Message-ID, so that writing it again replaces it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(message["Message-ID"] or "")).strip("-.") or "message"
    path = private_folder(folder) / f"{name[:120]}.eml"
    draft = path.with_suffix(f".{os.getpid()}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes(policy=policy.SMTPUTF8 if _needs_utf8(message) else policy.SMTP))
    draft.replace(path)
    return path


def _needs_utf8(message: EmailMessage) -> bool:
    """Whether an address has a non-ASCII local part or domain, which has no other form."""
    return not all(
        address.addr_spec.isascii()
        for header in ("From", "To")
        for address in getattr(message[header], "addresses", ())
    )
