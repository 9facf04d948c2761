"""What a sender sent is given back so that no browser shows, runs or sniffs it."""

import pytest

from receiver.admin.download import download, safe_media_type


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
def test_a_name_that_a_sender_chose_cannot_leave_its_quotes(filename, plain, encoded):
    sent = download(b"x", "text/plain", filename).headers["content-disposition"]
    assert sent == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
