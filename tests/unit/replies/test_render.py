from datetime import UTC, datetime

import pytest

from receiver.contract.definition import ResponseTemplate
from receiver.contract.errors import Unusable
from receiver.contract.reply import Reply
from receiver.replies.render import CompiledResponse, as_http

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_text_bytes_json_and_nothing_have_their_media_types():
    assert as_http(Reply(body="ї")) == (200, [], "ї".encode(), "text/plain; charset=utf-8")
    assert as_http(Reply(body=b"\x00")) == (200, [], b"\x00", "application/octet-stream")
    assert as_http(Reply(status=204)) == (204, [], b"", "")
    assert as_http(Reply(body={"n": 2**53 + 1})) == (200, [], b'{"n":9007199254740993}', "application/json")


def test_a_content_type_of_the_reply_wins():
    status, headers, _, media_type = as_http(Reply(body="<a/>", headers={"Content-Type": "text/xml", "X-A": "b"}))
    assert (status, headers, media_type) == (200, [("x-a", "b")], "text/xml")


def test_a_response_template_is_rendered_for_each_request():
    response = CompiledResponse.of(
        ResponseTemplate(status=201, headers={"X-N": "{{$context.data.n}}"}, body={"id": "{{$context.data.n}}"})
    )
    reply = response.render({"data": {"n": 7}}, NOW)
    assert (reply.status, reply.headers, reply.body) == (201, {"X-N": "7"}, {"id": 7})


@pytest.mark.parametrize("data", [{}, {"n": "a\r\nSet-Cookie: x=1"}, {"n": "\x00"}])
def test_a_request_that_lacks_or_breaks_the_response_is_unusable(data: dict[str, str]):
    response = CompiledResponse.of(ResponseTemplate(headers={"X-N": "{{$context.data.n}}"}))
    with pytest.raises(Unusable, match="response"):
        response.render({"data": data}, NOW)
