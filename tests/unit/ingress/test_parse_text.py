"""XML, text in its charset, and bytes."""

from typing import Any

import pytest

from receiver.contract.errors import Unusable
from receiver.ingress.parse import parse_body

XML = "application/xml"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("<a/>", {"a": ""}),
        ("<a>text</a>", {"a": "text"}),
        ("<a> kept </a>", {"a": " kept "}),
        ('<a id="7"/>', {"a": {"@id": "7"}}),
        ('<a id="7">text</a>', {"a": {"@id": "7", "#text": "text"}}),
        ("<a><b>1</b><c/></a>", {"a": {"b": "1", "c": ""}}),
        ("<a><b>1</b><b>2</b><b/></a>", {"a": {"b": ["1", "2", ""]}}),
        ("<a>\n  <b>1</b>\n  note\n</a>", {"a": {"b": "1", "#text": "note"}}),
        ("<a><![CDATA[<b>]]>&amp;<!-- no --></a>", {"a": "<b>&"}),
        (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:x="1"><Id>04l</Id></s:Envelope>',
            {"Envelope": {"@x": "1", "Id": "04l"}},
        ),
    ],
)
def test_xml_is_an_object_of_its_elements(text: str, data: dict[str, Any]):
    parsed = parse_body(XML, text.encode())
    assert (parsed.data, parsed.kind) == (data, "xml")


@pytest.mark.parametrize("content_type", [XML, "text/xml; charset=utf-8", "application/soap+xml", "Text/XML"])
def test_xml_is_known_by_its_types(content_type: str):
    assert parse_body(content_type, b"<a>1</a>").kind == "xml"


def test_xml_is_read_in_the_charset_that_it_or_its_type_names():
    assert parse_body(XML, "<?xml version='1.0' encoding='iso-8859-1'?><a>é</a>".encode("latin-1")).data == {"a": "é"}
    assert parse_body("text/xml; charset=iso-8859-1", "<a>é</a>".encode("latin-1")).data == {"a": "é"}
    assert parse_body(XML, "<a>é</a>".encode("utf-16")).data == {"a": "é"}


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        "<a>&undefined;</a>",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "plain",
        "<a>&#0;</a>",
        "<?xml version='1.0' encoding='klingon'?><a/>",
        "<a>" * 101 + "</a>" * 101,
        "<a><a/>" * 60 + "</a>" * 60,
        "<a>" + "<b/>" * 100_000 + "</a>",
        "<a>" + '<b c="1"/>' * 50_000 + "</a>",
    ],
    ids=lambda text: text[:24],
)
def test_declarations_damage_and_excess_in_xml_are_unreadable(text: str):
    with pytest.raises(Unusable, match="XML"):
        parse_body(XML, text.encode())


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", b"21.5 C", "21.5 C"),
        ("text/html; charset=utf-8", "<p>ü</p>".encode(), "<p>ü</p>"),
        ("text/csv; charset=windows-1252", b"price;5\x80", "price;5€"),
        ('text/plain; charset="UTF-16"', "ü".encode("utf-16"), "ü"),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain", b"\xef\xbb\xbfhi", "hi"),
        ("text/csv", b'{"a": 1}', '{"a": 1}'),
    ],
)
def test_text_is_read_in_its_charset(content_type: str, body: bytes, text: str):
    parsed = parse_body(content_type, body)
    assert (parsed.data, parsed.kind) == (text, "text")


@pytest.mark.parametrize(
    "charset", ["klingon", "unicode_escape", "raw_unicode_escape", "idna", "punycode", "hex", "utf-7", "a\0b"]
)
def test_charsets_that_are_none_are_unreadable(charset: str):
    with pytest.raises(Unusable, match="charset"):
        parse_body(f"text/plain; charset={charset}", b"hello there")


def test_text_that_is_not_in_its_charset_is_unreadable():
    with pytest.raises(Unusable, match="not valid in its charset"):
        parse_body("text/plain", b"caf\xe9")


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "nonsense", None])
def test_anything_else_is_bytes_in_base64(content_type: str | None):
    parsed = parse_body(content_type, b"\x89PNG")
    assert (parsed.data, parsed.kind) == ({"base64": "iVBORw=="}, "bytes")
