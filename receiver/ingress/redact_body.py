"""Credentials masked inside a body: fields of JSON or of a form, elements of XML; all else stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import AnyStr
from urllib.parse import quote_plus, unquote_plus

from receiver.contract.errors import Unusable
from receiver.ingress.parse.content_type import parse_media_type
from receiver.ingress.parse.multipart import split_parts

Path = tuple[str, ...]

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\r\n]*")
_JSON = json.JSONDecoder()


def mask_body(
    content_type: str | None, body: bytes, fields: frozenset[str], mask: str, paths: frozenset[Path] = frozenset()
) -> bytes:
    """The body with the values of these fields replaced by `mask`; the same object when there is none of them.

    `paths` lie deeper in JSON, `*` for every item of a list; of XML and forms, every element or field with the last
    name of a path. Where the body cannot be read well enough to tell, more is masked rather than less.
    """
    if not body or not (fields or paths):
        return body
    start = body.removeprefix(_BOM).lstrip()[:1]
    is_multipart = parse_media_type(content_type)[0] == "multipart/form-data"
    if start == b"{" and not is_multipart:
        return _mask_json(body, paths | {(name,) for name in fields}, mask)
    fields |= {path[-1] for path in paths}
    if start == b"<":  # and then as a form all the same, which may begin with anything
        body = _mask_xml(body, fields, mask)
    return _mask_multipart(content_type, body, fields, mask) if is_multipart else _mask_form(body, fields, mask)


def _mask_json(body: bytes, paths: frozenset[Path], mask: str) -> bytes:
    names = {path[-1] for path in paths}
    if b"\\" not in body and not any(name.encode() in body for name in names):
        return body
    try:
        text = body.decode()
        spans = list(_value_spans(text, text.index("{"), paths))
    except (ValueError, IndexError, RecursionError):
        return _mask_broken_json(body, names, mask)
    return _replaced(text, spans, json.dumps(mask)).encode() if spans else body


def _value_spans(text: str, position: int, paths: frozenset[Path]) -> Iterator[tuple[int, int]]:
    """Where the values at these paths from the object or list at `position` begin and end."""
    is_object = text[position] == "{"
    closing = "}" if is_object else "]"
    position = _skip_space(text, position + 1)
    while text[position] != closing:
        step = "*"
        if is_object:
            step, position = _JSON.raw_decode(text, position)
            position = _expect(text, position, ":")
        _, end = _JSON.raw_decode(text, position)
        further = frozenset(path[1:] for path in paths if path[0] == step)
        if () in further:
            yield position, end
        elif further and text[position] in "{[":
            yield from _value_spans(text, position, further)
        position = _skip_space(text, end)
        if text[position] != closing:
            position = _expect(text, position, ",")


def _mask_xml(body: bytes, names: Collection[str], mask: str) -> bytes:
    """Whatever stands in elements of these names, also where the document is broken."""
    if not any(name.encode() in body for name in names):
        return body
    listed = b"|".join(re.escape(name.encode()) for name in sorted(names))
    pattern = re.compile(
        rb"(<(?:[\w.-]+:)?(?:" + listed + rb")(?:\s[^<>]*)?(?<!/)>)[^<]*"
        # One that is not closed reaches to the end; without that, each of many would be looked for there in vain.
        rb"(?:<!\[CDATA\[.*?(?:\]\]>|\Z)[^<]*)*",
        re.DOTALL,
    )
    return pattern.sub(lambda found: found[1] + mask.encode(), body)


def _expect(text: str, position: int, character: str) -> int:
    position = _skip_space(text, position)
    if text[position] != character:
        raise ValueError(position)
    return _skip_space(text, position + 1)


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _mask_broken_json(body: bytes, fields: Collection[str], mask: str) -> bytes:
    """Any value that follows one of the names, at any level: of broken JSON nobody knows the top level."""
    names = b"|".join(re.escape(name.encode()) for name in sorted(fields))
    pattern = re.compile(rb'("(?:' + names + rb')"[ \t\r\n]*:[ \t\r\n]*)("(?:[^"\\]|\\.)*"?|[^",}\]\s]+)', re.DOTALL)
    masked = pattern.sub(lambda found: found[1] + json.dumps(mask).encode(), body)
    return body if masked == body else masked


def _mask_form(body: bytes, fields: frozenset[str], mask: str) -> bytes:
    pairs = body.split(b"&")
    masked = [_mask_pair(pair, fields, mask) for pair in pairs]
    return body if masked == pairs else b"&".join(masked)


def _mask_pair(pair: bytes, fields: frozenset[str], mask: str) -> bytes:
    name, equals, value = pair.partition(b"=")
    if not equals:
        return pair
    match unquote_plus(name.decode("latin-1")):
        case plain if plain in fields:
            return name + b"=" + quote_plus(mask, safe="*").encode()
        case "payload":  # parsing takes the JSON in it for the whole body
            inner = unquote_plus(value.decode("latin-1"), errors="surrogateescape").encode("utf-8", "surrogateescape")
            masked = (
                _mask_json(inner, frozenset((name,) for name in fields), mask)
                if inner.lstrip().startswith(b"{")
                else inner
            )
            return pair if masked is inner else name + b"=" + quote_plus(masked).encode()
    return pair


def _mask_multipart(content_type: str | None, body: bytes, fields: frozenset[str], mask: str) -> bytes:
    try:
        parts = split_parts(content_type, body)
    except Unusable:
        return mask.encode() if any(name.encode() in body for name in fields) else body
    spans = [(part.start, part.end) for part in parts if part.name in fields and part.end > part.start]
    return _replaced(body, spans, mask.encode()) if spans else body


def _replaced(whole: AnyStr, spans: list[tuple[int, int]], mask: AnyStr) -> AnyStr:
    pieces: list[AnyStr] = []
    position = 0
    for start, end in spans:
        pieces += [whole[position:start], mask]
        position = end
    pieces.append(whole[position:])
    return whole[:0].join(pieces)
