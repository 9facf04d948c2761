"""URL-encoded and multipart forms, and files found again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.parse import FileInfo, parse_body, read_file
from receiver.ingress.parse.forms import MOST_FILES

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *headers])
    return b"--XX\r\n" + lines.encode() + b"\r\n\r\n" + content + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"name=Ada+Lovelace&email=ada%40example.com", {"name": "Ada Lovelace", "email": "ada@example.com"}),
        (b"a=1&b=x&a=2&a=3", {"a": ["1", "2", "3"], "b": "x"}),
        (b"a=&b&=c", {"a": "", "b": "", "": "c"}),
        (b"&&a=1&", {"a": "1"}),
        (b"a=1=2", {"a": "1=2"}),
        (b"a[]=1&a[]=2", {"a[]": ["1", "2"]}),
        (b"city=K%C3%B6ln&k%C3%B6=%zz", {"city": "Köln", "kö": "%zz"}),
        ("city=Köln".encode(), {"city": "Köln"}),
        (b'{"broken": json', {'{"broken": json': ""}),
        (b'payload={"broken"', {"payload": '{"broken"'}),
        (b"payload=text", {"payload": "text"}),
        (b"payload=1", {"payload": "1"}),
        (b"payload=%7B%7D&other=1", {"payload": "{}", "other": "1"}),
        (b"payload=%7B%7D&payload=%7B%7D", {"payload": ["{}", "{}"]}),
    ],
)
def test_a_form_is_an_object_of_its_fields(body: bytes, data: dict[str, object]):
    parsed = parse_body(FORM, body)
    assert (parsed.data, parsed.kind) == (data, "form")


def test_the_json_of_a_form_with_payload_alone_is_unwrapped():
    parsed = parse_body(FORM, b"payload=%7B%22zen%22%3A+%22Anything+added%22%2C+%22id%22%3A+7%7D")
    assert (parsed.data, parsed.kind) == ({"zen": "Anything added", "id": 7}, "json")


def test_a_form_in_another_charset_says_so():
    assert parse_body(f"{FORM}; charset=windows-1252", b"price=5+%80").data == {"price": "5 €"}
    with pytest.raises(Unusable, match="utf-8"):
        parse_body(FORM, b"price=5+%80")


def test_a_form_with_too_many_fields_is_refused():
    assert len(parse_body(FORM, b"&".join(b"f%d=1" % number for number in range(1000))).data) == 1000
    with pytest.raises(Unusable, match="1000 fields"):
        parse_body(FORM, b"a&" * 1000)


def test_multipart_fields_are_text_and_files_are_references():
    body = multipart(
        part('name="title"', b"Holiday"),
        part('name="tag"', b"sea"),
        part('name="tag"', "süß".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1"),
        part('name="photo"; filename="a.png"', b"\x89PNG\r\n--XY\r\n", "Content-Type: image/png"),
        part('name="photo"; filename="b"', b""),
        part('name="none"; filename=""', b""),
    )
    parsed = parse_body(MULTIPART, body)
    first = FileInfo(field="photo", filename="a.png", content_type="image/png", size=12, index=0)
    second = FileInfo(field="photo", filename="b", content_type="application/octet-stream", size=0, index=1)
    assert parsed.data == {"title": "Holiday", "tag": ["sea", "süß"], "photo": [first.to_json(), second.to_json()]}
    assert (parsed.files, parsed.kind) == ((first, second), "multipart")
    assert read_file(MULTIPART, body, 0) == (first, b"\x89PNG\r\n--XY\r\n")
    assert read_file(MULTIPART, body, 1) == (second, b"")


@pytest.mark.parametrize(("content_type", "index"), [(MULTIPART, 1), (MULTIPART, -1), (FORM, 0), (None, 0)])
def test_a_file_that_is_not_there_is_an_index_error(content_type: str | None, index: int):
    with pytest.raises(IndexError):
        read_file(content_type, multipart(part('name="f"; filename="x"', b"1")), index)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("/tmp/x.sh", "x.sh"),
        (r"C:\\Users\\me\\bill.pdf", "bill.pdf"),
        ("übel.txt", "übel.txt"),
        ("a\tb\x07.txt", "ab.txt"),
    ],
)
def test_a_file_name_has_no_folders_and_no_control_characters(sent: str, kept: str):
    (file,) = parse_body(MULTIPART, multipart(part(f'name="f"; filename="{sent}"', b"1"))).files
    assert file.filename == kept


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--XX\r\n",
        part('name="a"', b"1"),
        multipart(part('name="a"', b"1"))[:-6],
        multipart(part('noname="a"', b"1")),
        multipart(b"--XX\r\n\r\nheaderless\r\n"),
        multipart(part('name="a"', b"\xff")),
        multipart(part('name="a"', b"1", *[f"X-{number}: y" for number in range(20)])),
        multipart(part('name="a"', b"1", "X-Long: " + "y" * 9000)),
        multipart(part('name="a"', b"1", "bad header")),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_multipart_body_that_is_malformed_or_out_of_bounds_is_unreadable(body: bytes):
    with pytest.raises(Unusable):
        parse_body(MULTIPART, body or b" ")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 300],
)
def test_a_multipart_body_without_a_usable_boundary_is_unreadable(content_type: str):
    with pytest.raises(Unusable):
        parse_body(content_type, multipart(part('name="a"', b"1")))


def test_more_fields_parts_or_files_than_are_taken_say_so():
    file = part('name="f"; filename="n"', b"1")
    assert len(parse_body(MULTIPART, multipart(*[file] * MOST_FILES)).files) == MOST_FILES
    for content_type, body, words in (
        (FORM, b"a&" * 1000, "1000 fields"),
        (MULTIPART, multipart(*[part('name="a"', b"1")] * 1001), "1000 parts"),
        (MULTIPART, multipart(*[file] * (MOST_FILES + 1)), "100 files"),
    ):
        with pytest.raises(Unusable, match=words) as unusable:
            parse_body(content_type, body)
        assert unusable.value.reason is Reason.TOO_COMPLEX


@given(files=st.lists(st.binary(max_size=80), max_size=5))
def test_every_file_is_found_again_byte_for_byte(files: list[bytes]):
    safe = [content.replace(b"--XX", b"--") for content in files]
    body = multipart(*[part(f'name="f{index}"; filename="n"', content) for index, content in enumerate(safe)])
    parsed = parse_body(MULTIPART, body)
    assert [read_file(MULTIPART, body, file.index)[1] for file in parsed.files] == safe
    assert [file.size for file in parsed.files] == [len(content) for content in safe]
    json.dumps(parsed.data)
