"""What a sender sent is given back so that no browser shows, runs or sniffs it."""

import pytest
from starlette.requests import Request

from receiver.admin.download import download, part_of, safe_media_type
from receiver.admin.problems import Problem
from receiver.bodies.content import InMemory


def asking(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    "sent",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/cloudevents+json;charset=UTF-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk",
    ],
)
def test_types_that_no_browser_acts_on_stay(sent):
    assert safe_media_type(sent) == sent


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "image/svg+xml",
        "application/xml",
        "application/xhtml+xml",
        "text/javascript",
        "application/json, text/html",
        "application/json\r\nSet-Cookie: a=b",
        "text/plain; a=\u00e9",
        "text/plain" + "; a=b" * 100,
    ],
)
def test_any_other_type_is_bytes(sent):
    assert safe_media_type(sent) == "application/octet-stream"


@pytest.mark.parametrize(
    ("filename", "plain", "encoded"),
    [
        ("report.pdf", "report.pdf", "report.pdf"),
        ('a"; filename="b\r\nX: y', "a___filename__b__X__y", "a%22%3B%20filename%3D%22b%0D%0AX%3A%20y"),
        ("../../etc/passwd", ".._.._etc_passwd", "..%2F..%2Fetc%2Fpasswd"),
        ("Übersicht.csv", "_bersicht.csv", "%C3%9Cbersicht.csv"),
        ("\ud800", "_", "%3F"),
        ("", "body", ""),
    ],
)
async def test_a_name_that_a_sender_chose_cannot_leave_its_quotes(filename, plain, encoded):
    answer = await download(InMemory(b"x"), "text/plain", filename, asking())
    assert answer.headers["content-disposition"] == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=2-4", range(2, 5)),
        ("bytes=2-", range(2, 10)),
        ("bytes=0-99", range(10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("", None),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
    ],
)
def test_one_part_is_given_where_one_is_asked_for_and_else_the_whole(asked, part):
    assert part_of(asked, 10) == part


async def test_a_part_says_where_it_is_and_one_behind_the_end_is_none():
    answer = await download(InMemory(b"0123456789"), "text/plain", "a", asking(range="bytes=2-4"))
    assert (answer.status_code, bytes(answer.body), answer.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    whole = await download(InMemory(b"0123456789"), "text/plain", "a", asking(range="bytes=2-4", if_range='"x"'))
    assert (whole.status_code, whole.headers["content-length"]) == (200, "10")
    with pytest.raises(Problem) as refused:
        await download(InMemory(b"0123456789"), "text/plain", "a", asking(range="bytes=10-"))
    assert (refused.value.status, refused.value.headers) == (416, {"Content-Range": "bytes */10"})
