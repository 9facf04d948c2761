"""Replies that are text, a file, a redirect or nothing."""

from typing import Any

import pytest

from receiver import Reply, respond
from receiver.contract.errors import BadReply
from receiver.replies.render import as_http


def test_text_xml_a_redirect_and_nothing_are_sent_as_such():
    assert as_http(Reply.text("<ok/>", media_type="application/xml")) == (
        200,
        [],
        b"<ok/>",
        "application/xml; charset=utf-8",
    )
    assert as_http(Reply.redirect("/thanks?a=1"))[:3] == (303, [("location", "/thanks?a=1")], b"")
    assert as_http(Reply.redirect("/"))[0] == 303
    assert as_http(Reply.empty())[:3] == (204, [], b"")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("звіт.csv", "attachment; filename=\"____.csv\"; filename*=UTF-8''%D0%B7%D0%B2%D1%96%D1%82.csv"),
        (
            'a"; b\r\nX-A: 1.csv',
            "attachment; filename=\"a_; b__X-A: 1.csv\"; filename*=UTF-8''a_%3B%20b__X-A%3A%201.csv",
        ),
        ("../../.profile", "attachment; filename=\"_.._.profile\"; filename*=UTF-8''_.._.profile"),
    ],
)
def test_a_file_is_saved_under_a_plain_name(name: str, header: str):
    status, headers, body, media_type = as_http(Reply.file(b"a,b", name, media_type="text/csv"))

    assert (status, body, media_type) == (200, b"a,b", "text/csv")
    assert headers == [("content-disposition", header)]


@pytest.mark.parametrize(
    "location", ["javascript:alert(1)", "//evil.example", "/\\evil.example", "ftp://a", "", "https://a b", "/a\r\nX: 1"]
)
def test_a_redirect_leads_to_http_or_a_path_alone(location: str):
    with pytest.raises(BadReply, match="Location"):
        Reply.redirect(location)


def test_what_is_of_the_wrong_kind_is_a_bad_reply():
    wrong: Any = b"bytes"
    with pytest.raises(BadReply, match="is text, not bytes"):
        Reply.text(wrong)
    with pytest.raises(BadReply, match="no redirect"):
        Reply.redirect("/", status=200)
    with pytest.raises(BadReply, match="a Reply alone"):
        respond(Reply.empty(), body="more")
