"""What reads bodies and their headers, before and after a request is verified."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress

from receiver.contract.errors import Refused, Unusable
from receiver.contract.plain import MAX_DEPTH, deeper_than
from receiver.ingress.inflate import inflate
from receiver.ingress.parse import Parsed, parse_body, read_file
from receiver.ingress.parse.content_type import decode_text, parse_media_type, split_options
from receiver.ingress.parse.json_text import parse_json
from receiver.ingress.redact_body import mask_body
from tests.fuzz import Target
from tests.fuzz.wire import joined, split

_LIMIT = 64 * 1024
_JSON = (
    b'{"',
    b'":',
    b"null",
    b"1e999",
    b"\\ud800",
    b"[[[[",
    b"]]]]",
    b"18446744073709551616",
    b"\xef\xbb\xbf",
    b"NaN",
)
_XML = (
    b"<?xml version='1.0' encoding='",
    b"<!DOCTYPE",
    b"<!ENTITY",
    b"<![CDATA[",
    b"]]>",
    b"&#0;",
    b"&#xD800;",
    b"</a>",
)
_PARTS = (
    b"--x\r\n",
    b"--x--\r\n",
    b"\r\n\r\n",
    b"Content-Disposition: form-data; name=",
    b"; filename=",
    b"filename*=utf-8''",
)
_FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name="f"; '
_FORM += b'filename="..\\\\b.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n'
_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml")
_BODIES = (
    b'{"a": [1, "\\u00e9", {"b": null}]}',
    b"a=1&a=2&payload=%7B%22b%22%3A1%7D",
    _FORM,
    b'<a x="1"><b>t</b><b/>u</a>',
)
_SECRETS = frozenset({"token", "a"})
_DEEP = frozenset({("value", "*", "clientState"), ("signature", "token")})


def _plain(parsed: Parsed) -> None:
    """What was parsed can be stored, sent on and walked through."""
    json.dumps(parsed.data, allow_nan=False)
    assert not deeper_than(parsed.data, MAX_DEPTH)
    for file in parsed.files:
        assert "/" not in file.filename and "\0" not in file.filename


def _of_type(content_type: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with suppress(Unusable):
            _plain(parse_body(content_type, data))

    return run


def _any_body(data: bytes) -> None:
    head, body = split(data, 2)
    content_type = head.decode("latin-1")
    with suppress(Unusable):
        parsed = parse_body(content_type, body)
        _plain(parsed)
        for file in parsed.files:
            assert len(read_file(content_type, body, file.index)[1]) == file.size
    with suppress(Unusable, IndexError):
        read_file(content_type, body, 10**6)


def _inflate(data: bytes) -> None:
    encoding, body = split(data, 2)
    with suppress(Refused):
        assert len(inflate(body, encoding.decode("latin-1"), _LIMIT)) <= _LIMIT


def _content_type(data: bytes) -> None:
    text = data.decode("latin-1")
    name, parameters = parse_media_type(text)
    assert isinstance(name, str)
    split_options(data)
    with suppress(Unusable):
        decode_text(b"text \xc3\xa9\xff", parameters.get("charset") or text)


def _mask(data: bytes) -> None:
    """Of JSON that holds a secret nothing of it is left, however it is written; no other body makes trouble."""
    head, body = split(data, 2)
    masked = mask_body(head.decode("latin-1"), body, _SECRETS, "***", _DEEP)
    assert mask_body(head.decode("latin-1"), masked, _SECRETS, "***", _DEEP) == masked
    with suppress(Unusable):
        value = parse_json(masked)
        if isinstance(value, dict) and not head.startswith(b"multipart"):
            assert value.get("token", "***") == "***"


def _typed(body: bytes, *types: str) -> Callable[[], list[bytes]]:
    return lambda: [joined(content_type, body) for content_type in types]


def _packed() -> list[bytes]:
    text = b'{"a": "' + b"x" * 3000 + b'"}'
    raw = zlib.compress(text)
    found = [joined("gzip", gzip.compress(text, mtime=0)), joined("x-gzip", gzip.compress(text, mtime=0) * 3)]
    bomb = gzip.compress(bytes(_LIMIT * 20), mtime=0)
    return [*found, joined("deflate", raw), joined("deflate", raw[2:-4]), joined("identity, GZIP", bomb)]


def _bodies(*texts: bytes) -> Callable[[], list[bytes]]:
    return lambda: list(texts)


TARGETS = (
    Target(
        name="json",
        run=_of_type("application/json"),
        seeds=_bodies(_BODIES[0], b"[" * 120 + b"]" * 120, b"123456789012345678901", b'\xef\xbb\xbf"\\ud83d\\ude00"'),
        words=_JSON,
    ),
    Target(
        name="form",
        run=_of_type("application/x-www-form-urlencoded; charset=utf-8"),
        seeds=_bodies(_BODIES[1], b"&" * 1001, b"%FF=%00&=&a", b' {"not": "a form"}'),
        words=(b"payload=", b"%7B", b"%00", b"&", b"+"),
    ),
    Target(name="multipart", run=_of_type(_TYPES[2]), seeds=_bodies(_FORM, b"--x--\r\n", b"--x\r\n\r\n"), words=_PARTS),
    Target(name="xml", run=_of_type(_TYPES[3]), seeds=_bodies(_BODIES[3], b"<a>" * 60 + b"</a>" * 60), words=_XML),
    Target(
        name="body",
        run=_any_body,
        seeds=lambda: [
            *(joined(content_type, body) for content_type, body in zip(_TYPES, _BODIES, strict=True)),
            joined("text/plain; charset=utf-16", "text".encode("utf-16")),
            joined("application/xml; charset=iso-2022-jp", _BODIES[3]),
            joined("", b"7"),
        ],
        words=(b"; charset=", b"; boundary=", b"+json", b"+xml", b"text/", b"idna", b"utf-7", *_PARTS),
    ),
    Target(
        name="inflate",
        run=_inflate,
        seeds=_packed,
        words=(b"gzip", b"deflate", b"identity", b"\x1f\x8b\x08"),
        largest=16 * 1024,
    ),
    Target(
        name="content-type",
        run=_content_type,
        seeds=_bodies(
            *(each.encode() for each in _TYPES), b'text/x; charset="utf-8"; a*=utf-8\'en\'%e2%82%ac; b="\\""'
        ),
        words=(b"charset=", b"boundary=", b'"', b"\\", b";", b"*0*=", b"''"),
    ),
    Target(
        name="mask-body",
        run=_mask,
        seeds=lambda: [
            *_typed(
                b'{"token": "t", "value": [{"clientState": "c"}], "signature": {"token": 1}}', "application/json"
            )(),
            *_typed(b'{"to\\u006ben": {"x": [1]}, "token": "again"', "application/json", "")(),
            *_typed(b"token=t&payload=%7B%22token%22%3A1%7D&a", "application/x-www-form-urlencoded")(),
            *_typed(b"<r><n:token>t<![CDATA[u]]></n:token></r>", "text/xml", "")(),
            *_typed(_FORM, _TYPES[2])(),
        ],
        words=(b'"token"', b'"clientState":', b"token=", b"<token>", *_JSON[:3]),
    ),
)
