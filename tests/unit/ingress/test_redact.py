"""What is masked of a request, and what is not."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.ingress.parse import parse_body
from receiver.ingress.redact import is_credential_name, redact
from receiver.ingress.redact_body import mask_body
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers
from tests.conformance.schemes import make_request

TOKEN = frozenset({"token"})
FORM = "application/x-www-form-urlencoded"


def with_headers(*headers: tuple[str, str]) -> RawRequest:
    return replace(make_request(), headers=headers)


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "proxy-authorization", "x-forwarded-authorization", "cookie", "set-cookie", "x-auth"),
        *("x-api-key", "apikey", "api_key", "apiKey", "APIKey", "x-goog-api-key", "xapikey", "x-functions-key"),
        *("ocp-apim-subscription-key", "x-gitlab-token", "access_token", "accessToken", "x-csrf-token", "token"),
        *("hub.verify_token", "x-amz-security-token", "client_secret", "clientSecret", "secretKey", "x-webhook-secret"),
        *("password", "passwd", "user_password", "sig", "signature", "x-hub-signature", "x-hub-signature-256"),
        *("stripe-signature", "x-shopify-hmac-sha256", "hmacsignature", "webhook-signature", "x-amz-signature"),
        *("x-goog-iap-jwt-assertion", "private-key", "signing_key"),
    ],
)
def test_names_of_credentials_are_known(name: str):
    assert is_credential_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("x-github-delivery", "x-github-hook-id", "x-github-event", "idempotency-key", "webhook-id", "svix-id"),
        *("webhook-timestamp", "x-slack-request-timestamp", "x-signature-timestamp", "x-hubspot-signature-version"),
        *("x-event-key", "x-request-id", "traceparent", "host", "user-agent", "content-type", "content-length"),
        *(
            "key",
            "ordering_key",
            "cache-key",
            "public-key",
            "code",
            "author",
            "design",
            "signal",
            "monkey",
            "tokenizer",
        ),
        *("hub.challenge", "session_id", "assignee", "authority", "secretary", "", "-", "ключ"),
    ],
)
def test_names_that_only_look_a_little_like_one_stay(name: str):
    assert not is_credential_name(name)


def test_the_carriers_and_whatever_is_named_like_a_credential_are_masked_under_their_names():
    request = replace(
        with_headers(("X-Partner", "s3cret"), ("Cookie", "a=b"), ("X-GitHub-Delivery", "72d3"), ("Accept", "*/*")),
        query_string="code=s3cret&page=2&access_token=s3cret&Code=seen",
    )
    redacted = redact(request, Carriers(headers=frozenset({"x-partner"}), query=frozenset({"code"})))
    assert redacted.headers == {"x-partner": "***", "cookie": "***", "x-github-delivery": "72d3", "accept": "*/*"}
    assert redacted.query == {"code": "***", "page": "2", "access_token": "***", "Code": "seen"}
    assert redacted.path == request.path


def test_repeated_names_become_lists_masked_one_by_one():
    request = replace(with_headers(("x-a", "1"), ("x-token", "s"), ("X-A", "2"), ("x-a", "3"), ("x-token", "t")))
    redacted = redact(replace(request, query_string="a=1&token=s&a=&token=t"), Carriers())
    assert redacted.headers == {"x-a": ["1", "2", "3"], "x-token": ["***", "***"]}
    assert redacted.query == {"a": ["1", ""], "token": ["***", "***"]}


def test_an_address_repeated_in_a_header_loses_its_query():
    request = with_headers(("referer", "https://a.example/x?code=s3cret"), ("x-original-uri", "/x"), ("link", "/?a=1"))
    redacted = redact(request, Carriers())
    assert redacted.headers == {"referer": "https://a.example/x?***", "x-original-uri": "/x", "link": "/?a=1"}


@pytest.mark.parametrize("query", ["a=%ff%fe", "a=%ed%a0%80", "%ff=1", "a=\udcff"])
def test_no_lone_surrogate_is_left(query: str):
    redacted = redact(replace(make_request(), query_string=query, path="/x\ud800"), Carriers())
    assert json.dumps([redacted.query, redacted.path], ensure_ascii=False).encode()


def test_an_untouched_body_is_the_same_object():
    for body in (b"", b'{"order": 1}', b"a=1&b=2", b"\xff\x00"):
        request = make_request(body)
        assert redact(request, Carriers()).body is body
        assert redact(request, Carriers(body_fields=TOKEN)).body is body


@pytest.mark.parametrize(
    ("body", "masked"),
    [
        (b'{"token": "s"}', b'{"token": "***"}'),
        (b' {"a" : 1.50 ,"token":{"s":[1]} , "b":2}\n', b' {"a" : 1.50 ,"token":"***" , "b":2}\n'),
        (b'{"token": "s", "token": 7}', b'{"token": "***", "token": "***"}'),
        (b'{"tok\\u0065n": "s\\"x"}', b'{"tok\\u0065n": "***"}'),
        (b'{"a": {"token": "s"}}', b'{"a": {"token": "s"}}'),
        (b'{"a": "token"}', b'{"a": "token"}'),
        (b'\xef\xbb\xbf{"token": "s"}', b'\xef\xbb\xbf{"token": "***"}'),
        ('{"ü": "é", "token": "s"}'.encode(), '{"ü": "é", "token": "***"}'.encode()),
        (b'{"token": "s", "cut', b'{"token": "***", "cut'),
        (b'{"token": "s', b'{"token": "***"'),
        (b'{"\xff": 1, "token" : 12.5}', b'{"\xff": 1, "token" : "***"}'),
        (b'{"token": "s"' + b', "a": ' + b"[" * 200_000, b'{"token": "***"' + b', "a": ' + b"[" * 200_000),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_field_of_a_json_body_is_masked_and_every_other_byte_stays(body: bytes, masked: bytes):
    assert mask_body("application/json", body, TOKEN, "***") == masked


@pytest.mark.parametrize(
    ("body", "masked"),
    [
        (b"a=1&token=s&b=%20", b"a=1&token=***&b=%20"),
        (b"tok%65n=s", b"tok%65n=***"),
        (b"token=&token=t", b"token=***&token=***"),
        (b"token&xtoken=1", b"token&xtoken=1"),
    ],
)
def test_a_field_of_a_form_is_masked(body: bytes, masked: bytes):
    assert mask_body(FORM, body, TOKEN, "***") == masked
    assert mask_body(None, body, TOKEN, "***") == masked


def test_the_json_within_a_form_is_masked_where_parsing_unwraps_it():
    masked = mask_body(FORM, b"payload=%7B%22token%22%3A%22s%22%2C%22a%22%3A%22%C3%A9%22%7D", TOKEN, "***")
    assert parse_body(FORM, masked).data == {"token": "***", "a": "é"}
    assert list(parse_qs(masked.decode())) == ["payload"]


def test_a_field_of_a_multipart_form_is_masked():
    content_type = "multipart/form-data; boundary=b"
    head = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    body = head % b"token" + b"s3cret\r\n" + head % b"other" + b"kept\r\n" + head % b"token" + b"s3cret\r\n--b--\r\n"
    masked = mask_body(content_type, body, TOKEN, "***")
    assert parse_body(content_type, masked).data == {"token": ["***", "***"], "other": "kept"}
    assert mask_body(content_type, body[:-8], TOKEN, "***") == b"***"
    assert mask_body(content_type, body[:-8], frozenset({"absent"}), "***") == body[:-8]


STATES = frozenset({("value", "*", "state"), ("signature", "signature")})


@pytest.mark.parametrize(
    ("body", "masked"),
    [
        (
            b'{"value": [{"state": "s", "id": 1}, {"state": {"a": 1}}, 7]}',
            b'{"value": [{"state": "***", "id": 1}, {"state": "***"}, 7]}',
        ),
        (
            b' {"signature" : {"token": "t","signature":"s"}, "state": 1}',
            b' {"signature" : {"token": "t","signature":"***"}, "state": 1}',
        ),
        (b'{"value": {"state": "s"}, "signature": "s"}', b'{"value": {"state": "s"}, "signature": "s"}'),
        (b'{"value": [{"st\\u0061te": "s"}]}', b'{"value": [{"st\\u0061te": "***"}]}'),
        (b'{"value": [{"state": "s"}], "cut', b'{"value": [{"state": "***"}], "cut'),
        (b'{"a": 1, "signature": "no path"}', b'{"a": 1, "signature": "no path"}'),
    ],
)
def test_a_field_deep_in_a_json_body_is_masked_where_its_path_leads(body: bytes, masked: bytes):
    assert mask_body("application/json", body, frozenset(), "***", STATES) == masked


@pytest.mark.parametrize(
    ("body", "masked"),
    [
        (
            b"<a><state>s</state><n:state x='1'>t</n:state></a>",
            b"<a><state>***</state><n:state x='1'>***</n:state></a>",
        ),
        (b"<a><state><![CDATA[s<b>]]></state><id>1</id></a>", b"<a><state>***</state><id>1</id></a>"),
        (b"<a><state><![CDATA[s<b></state><id>1</id></a>", b"<a><state>***"),
        (b"<a><state/><status>1</status><state>s", b"<a><state/><status>1</status><state>***"),
        (b"<a><id>state</id></a>", b"<a><id>state</id></a>"),
    ],
)
def test_an_element_of_xml_is_masked(body: bytes, masked: bytes):
    assert mask_body("text/xml", body, frozenset(), "***", STATES) == masked


def test_of_a_form_the_last_name_of_a_path_is_masked():
    assert mask_body(FORM, b"signature=s&token=t", frozenset(), "***", STATES) == b"signature=***&token=t"
    assert mask_body(FORM, b"<a>=1&token=s", TOKEN, "***") == b"<a>=1&token=***"


def test_a_body_with_very_many_fields_is_masked_in_linear_time():
    body = b"{" + b",".join([b'"token": "s3cret"'] * 100_000) + b"}"
    assert mask_body("application/json", body, TOKEN, "***").count(b'"***"') == 100_000


@given(
    fields=st.dictionaries(st.sampled_from(["token", "a", "\u00fc", 'q"']), st.text() | st.lists(st.integers())),
    indent=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
)
def test_masking_changes_the_named_field_of_any_object_and_nothing_else(
    fields: dict[str, object], indent: int | None, ascii_only: bool
):
    body = json.dumps(fields, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    masked = json.loads(mask_body("application/json", body, TOKEN, "***"))
    assert masked == {name: "***" if name == "token" else value for name, value in fields.items()}


@given(content_type=st.none() | st.sampled_from(["application/json", FORM]), body=st.binary(max_size=100))
def test_masking_raises_nothing(content_type: str | None, body: bytes):
    for start in (b"", b"{", b'{"token":', b"token=", b"payload=%7B"):
        assert isinstance(mask_body(content_type, start + body, TOKEN, "***"), bytes)


CARRIED = {
    "application/json": b'{"id": 1, "state": "the-quick-brown-secret", "more": [2]}',
    "application/x-www-form-urlencoded": b"id=1&state=the-quick-brown-secret&more=2",
    "text/xml": b"<a><id>1</id><state><![CDATA[the-quick-brown-secret]]></state></a>",
    "multipart/form-data; boundary=XX": (
        b'--XX\r\nContent-Disposition: form-data; name="state"\r\n\r\nthe-quick-brown-secret\r\n--XX--\r\n'
    ),
}


@pytest.mark.parametrize("content_type", CARRIED)
def test_wherever_a_body_is_cut_no_part_of_a_credential_is_left(content_type: str):
    whole = CARRIED[content_type]
    for end in range(len(whole) + 1):
        masked = mask_body(content_type, whole[:end], frozenset({"state"}), "***")
        assert b"the" not in masked, (end, masked)


SLOW = [b"<state><![CDATA[", b"<state>", b"<state", b"<s:", b"&", b"state=&", b'{"state":', b"payload=%7B"]


@pytest.mark.parametrize("piece", SLOW)
def test_a_body_made_to_be_slow_is_masked_like_any_other(piece: bytes):
    many = piece * (512 * 1024 // len(piece))
    assert len(mask_body("text/plain", many, frozenset({"state"}), "***")) <= 3 * len(many)
