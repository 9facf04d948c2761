"""A request as it arrived, before anything of it is believed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class RawRequest:
    """One HTTP request, whole: what verifiers, parsers and the rules take.

    `path` is the raw path as sent (percent-escapes untouched, without query), `query_string` the raw query without
    `?`, `headers` in order of arrival with lower-case names and Latin-1 decoded values, `body` the bytes after
    transport decoding (chunks joined) and, where `content_encoding` was gzip or deflate, `body` is the inflated and
    `wire_body` the received form. `url` is the URL as the sender sees it (public URL, raw path and query).
    `client_certificate` is what a trusted proxy says of the sender's certificate, empty where none does. `documents`
    are the certificates or keys that its scheme asked for, by their URL.
    """

    method: str
    path: str
    query_string: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wire_body: bytes
    client_ip: str
    url: str
    received_at: datetime
    client_certificate: str = ""
    documents: Mapping[str, bytes] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """The first value of a header, by lower-case name; None when it is absent."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def query_items(self) -> Iterator[tuple[str, str]]:
        """Every decoded query parameter, in order of arrival; `+` is a space."""
        from urllib.parse import parse_qsl

        yield from parse_qsl(self.query_string, keep_blank_values=True, errors="surrogateescape")
