"""What is peculiar to one sender, besides what the conformance suite asks of all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.contract.definition import WebhookDefinition
from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.decide import Judgement, judge, verify
from receiver.ingress.redact import redact
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Handshake, Scheme, Secrets, build_scheme
from receiver.ingress.verify.hubspot import decoded_url
from receiver.ingress.webhook import Webhook, compile_webhook
from tests.conformance.schemes import NOW, make_request, with_body, with_values

KEY = Secrets("key")
FORM = "application/x-www-form-urlencoded"
REFERENCE = "block:webhook-secret/x"


def scheme_of(name: str, **options: Any) -> Scheme:
    return build_scheme({"scheme": name, "secret": REFERENCE, **options})


def refusal(scheme: Scheme, request: RawRequest, secrets: Secrets = KEY, after: float = 0) -> Reason:
    with pytest.raises(Unverified) as refused:
        scheme.verify(request, secrets, NOW + timedelta(seconds=after))
    return refused.value.reason


def served(name: str, **fields: Any) -> Webhook:
    verification = {"scheme": name, "secret": REFERENCE, **fields.pop("verification", {})}
    definition = WebhookDefinition(key="w", deployment="f/d", verification=verification, **fields)
    return compile_webhook(definition, revision=1, state="enabled")


def judged(webhook: Webhook, request: RawRequest, secrets: Secrets = KEY) -> Judgement:
    proven = verify(webhook, request, secrets, NOW)
    assert not isinstance(proven, Handshake)
    return judge(webhook, proven, params={}, delivery_id="d", now=NOW)


# vendors' own examples, published in their documentation as facts


@pytest.mark.parametrize(
    ("options", "method", "headers", "body"),
    [
        (  # developers.hubspot.com, validating requests: version 1
            {"version": "v1"},
            "POST",
            {"x-hubspot-signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"},
            b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
            b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
            b'"changeFlag":"NEW","appId":54321}]',
        ),
        (  # the same page: version 2, GET without a body
            {"version": "v2"},
            "GET",
            {"x-hubspot-signature": "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"},
            b"",
        ),
    ],
)
def test_the_examples_of_hubspots_documentation(
    options: dict[str, Any], method: str, headers: dict[str, str], body: bytes
):
    request = replace(make_request(body, headers=headers), method=method, url="https://www.example.com/webhook_uri")
    secrets = Secrets("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy")
    assert scheme_of("hubspot", **options).verify(request, secrets, NOW).secret == "current"


def test_the_example_of_githubs_documentation():
    # docs.github.com, validating webhook deliveries
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    request = make_request(b"Hello, World!", headers={"x-hub-signature-256": signature})
    secrets = Secrets("It's a Secret to Everybody")
    assert scheme_of("github").verify(request, secrets, NOW).secret == "current"


def test_the_example_of_twilios_documentation():
    # twilio.com, webhooks security
    request = make_request(
        b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212",
        headers={"content-type": FORM, "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
    )
    for url in ("https://mycompany.com/myapp.php?foo=1&bar=2", "https://mycompany.com:8443/myapp.php?foo=1&bar=2"):
        assert scheme_of("twilio").verify(replace(request, url=url), Secrets("12345"), NOW).secret == "current"


# linear, hubspot, twilio


def linear(body: bytes) -> RawRequest:
    return make_request(body, headers={"linear-signature": hmac.new(b"key", body, hashlib.sha256).hexdigest()})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", Reason.TIMESTAMP_MISSING),
        (b"[]", Reason.TIMESTAMP_MISSING),
        (b"no JSON", Reason.TIMESTAMP_MISSING),
        (b'{"webhookTimestamp": true}', Reason.TIMESTAMP_MALFORMED),
        (b'{"webhookTimestamp": 1.5}', Reason.TIMESTAMP_MALFORMED),
        (b'{"webhookTimestamp": -1}', Reason.TIMESTAMP_MALFORMED),
        (b'{"webhookTimestamp": "x"}', Reason.TIMESTAMP_MALFORMED),
        (b'{"webhookTimestamp": 1}', Reason.TIMESTAMP_OUTSIDE_TOLERANCE),
    ],
)
def test_linears_time_is_the_one_in_the_signed_body(body: bytes, reason: Reason):
    assert refusal(scheme_of("linear"), linear(body)) is reason
    fresh = {"linear-timestamp": str(int(NOW.timestamp() * 1000))}
    assert (
        refusal(scheme_of("linear"), replace(linear(body), headers=(*linear(body).headers, *fresh.items()))) is reason
    )


def test_hubspot_takes_no_older_signature_in_place_of_the_newer():
    older = scheme_of("hubspot", version="v1").sign(make_request(b"[]"), KEY, NOW)
    assert refusal(scheme_of("hubspot"), older) is Reason.SIGNATURE_MISSING


def test_hubspot_decodes_some_escapes_of_the_url_and_no_others():
    url = "https://a.example/x%3aY%2F?q=%40%21%24%27%28%29%2a%2C%3B%3F&s=%20%26%3D%25%23%E4%BD%A0"
    assert decoded_url(url) == "https://a.example/x:Y/?q=@!$'()*,;?&s=%20%26%3D%25%23%E4%BD%A0"


def test_a_repeated_attempt_of_hubspots_is_the_same_event_though_it_counts_its_attempts():
    webhook = served("hubspot")
    assert webhook.split is not None
    digests = set()
    for attempt in (0, 1):
        event = {"eventId": 1, "subscriptionId": 2, "occurredAt": 3, "attemptNumber": attempt, "objectId": 4}
        request = webhook.scheme.sign(make_request(json.dumps([event]).encode()), KEY, NOW)
        [part] = judged(webhook, request).parts
        assert part.deduplication is not None
        digests.add((part.deduplication.key, part.deduplication.body_digest))
    assert len(digests) == 1 and digests.pop()[0] == "2-1-3"


def twilio(url: str, body: bytes, content_type: str, fields: str = "") -> RawRequest:
    signature = base64.b64encode(hmac.new(b"key", (url + fields).encode("latin-1"), hashlib.sha1).digest()).decode()
    return replace(make_request(body, headers={"content-type": content_type, "x-twilio-signature": signature}), url=url)


def test_twilio_signs_each_field_once_in_order_whatever_its_bytes():
    request = twilio("https://a.example/x", b"b=2&a=1&b=2&c=&b=1&d=%ff\xfe+", FORM, "a1b1b2cd\xff\xfe ")
    assert scheme_of("twilio").verify(request, KEY, NOW).secret == "current"


def test_a_body_that_twilio_did_not_sign_is_refused_whatever_its_type_says():
    url = "https://a.example/x"
    for body, content_type in ((b"{}", "application/json"), (b"a=1", "text/plain"), (b"<a/>", "multipart/form-data")):
        assert refusal(scheme_of("twilio"), twilio(url, body, content_type)) is Reason.SIGNATURE_MALFORMED
    crowd = b"&".join([b"a=1"] * 1001)
    assert refusal(scheme_of("twilio"), twilio(url, crowd, FORM)) is Reason.SIGNATURE_MALFORMED
    query = f"bodySHA256={hashlib.sha256(b'{}').hexdigest()}"
    signed = replace(twilio(f"{url}?{query}", b"", FORM), query_string=query)
    for body in (b"", b"a=1", b'{"a":1}'):
        assert refusal(scheme_of("twilio"), with_body(signed, body)) is Reason.SIGNATURE_MISMATCH
    json_body = with_values(with_body(signed, b"{}"), ("header", "content-type"), "application/json")
    assert scheme_of("twilio").verify(json_body, KEY, NOW).secret == "current"


@pytest.mark.parametrize("url", ["https://a.example:x/", "https://[::1", "ftp://a.example/", "https://", "a", ""])
def test_an_absurd_url_is_no_signature(url: str):
    assert refusal(scheme_of("twilio"), replace(twilio("https://b.example/", b"", FORM), url=url)) is (
        Reason.SIGNATURE_MISMATCH
    )


# what stands in the body


def mailgun(**fields: object) -> dict[str, object]:
    stamp = str(int(NOW.timestamp()))
    signature = hmac.new(b"key", f"{stamp}tok".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": stamp, "token": "tok", "signature": signature, **fields}


def test_mailguns_older_form_is_verified_too():
    form = "&".join(f"{name}={value}" for name, value in mailgun().items())
    request = make_request(f"event=delivered&{form}".encode(), headers={"content-type": FORM})
    assert scheme_of("mailgun").verify(request, KEY, NOW).secret == "current"
    assert b"signature=***" in redact(request, scheme_of("mailgun").carriers()).body


@pytest.mark.parametrize(
    "fields",
    [{"token": None}, {"token": ["tok"]}, {"timestamp": True}, {"timestamp": ""}, {"token": {}}, {"signature": 7}],
)
def test_a_signature_of_mailguns_with_a_part_that_is_no_text_is_malformed(fields: dict[str, object]):
    request = make_request(json.dumps({"signature": mailgun(**fields)}).encode())
    assert refusal(scheme_of("mailgun"), request) in {Reason.SIGNATURE_MALFORMED, Reason.SIGNATURE_MISMATCH}


def test_a_token_of_mailguns_is_good_for_one_event_whatever_comes_with_it():
    webhook = served("mailgun")
    bodies = [json.dumps({"signature": mailgun(), "event-data": {"id": number}}).encode() for number in (1, 2)]
    claims = [judged(webhook, make_request(body)).deduplication for body in bodies]
    assert claims[0] is not None and claims[0] == claims[1] and claims[0].key == "tok"


ADYEN = {
    "notificationItems": [
        {"NotificationRequestItem": {"pspReference": reference, "eventCode": "CAPTURE", "success": "true"}}
        for reference in ("P1", "P2")
    ]
}


def test_every_item_of_adyens_has_to_be_signed_and_each_is_a_delivery():
    webhook, secrets = served("adyen"), Secrets("00ff")
    signed = webhook.scheme.sign(make_request(json.dumps(ADYEN).encode()), secrets, NOW)
    judgement = judged(webhook, signed, secrets)
    keys = [part.deduplication.key for part in judgement.parts if part.deduplication]
    assert keys == ["P1-CAPTURE-true", "P2-CAPTURE-true"]
    assert judgement.reply is not None and judgement.reply.body == "[accepted]"
    kept = json.loads(judgement.redacted.body)["notificationItems"][1]["NotificationRequestItem"]
    assert kept["additionalData"] == {"hmacSignature": "***"} and kept["pspReference"] == "P2"
    tampered = signed.body.replace(b'"P2"', b'"P3"')
    assert refusal(webhook.scheme, with_body(signed, tampered), secrets) is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize("items", [[], {}, None, [7], [{"NotificationRequestItem": []}], [{}] * 1001])
def test_items_of_adyens_that_are_none_are_malformed(items: object):
    request = make_request(json.dumps({"notificationItems": items}).encode())
    assert refusal(scheme_of("adyen"), request, Secrets("00ff")) is Reason.SIGNATURE_MALFORMED


def test_all_notifications_of_microsoft_graphs_have_to_show_the_state():
    body = {"value": [{"id": "1", "clientState": "key"}, {"id": "2", "clientState": "key", "resource": "me"}]}
    judgement = judged(served("microsoft-graph"), make_request(json.dumps(body).encode()))
    assert [part.deduplication.key for part in judgement.parts if part.deduplication] == ["1", "2"]
    assert b"key" not in judgement.redacted.body + b"".join(part.body for part in judgement.parts)
    for state, reason in (("other", "wrong"), (None, "missing"), (7, "malformed")):
        foreign = {"value": [*body["value"], {"clientState": state}]}
        request = make_request(json.dumps(foreign).encode())
        assert refusal(scheme_of("microsoft-graph"), request) is Reason(f"credential_{reason}")
    absurd: tuple[object, ...] = ([], {}, [7], [body["value"][0]] * 1001)
    for value in absurd:
        request = make_request(json.dumps({"value": value}).encode())
        assert refusal(scheme_of("microsoft-graph"), request) is Reason.CREDENTIAL_MALFORMED


# salesforce

ORGANIZATION = "00D000000000001AAA"


def outbound(
    notifications: int = 2, organization: str = f"<OrganizationId>{ORGANIZATION}</OrganizationId>"
) -> RawRequest:
    items = "".join(f"<Notification><Id>04l{number}</Id></Notification>" for number in range(notifications))
    body = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<notifications xmlns="http://soap.sforce.com/2005/09/outbound">{organization}'
        f"<SessionId>00D!AQsAQOjGFnFJzGPA</SessionId>{items}</notifications></e:Body></e:Envelope>"
    )
    return make_request(body.encode(), headers={"content-type": "text/xml; charset=utf-8"})


def test_salesforce_needs_an_allowlist_and_gets_its_acknowledgement():
    with pytest.raises(DefinitionError, match="proves no more than a name") as refused:
        served("salesforce")
    assert refused.value.field == "ip_allowlist"
    webhook = served("salesforce", ip_allowlist=("192.0.2.0/24",))
    for organization in (ORGANIZATION, ORGANIZATION[:15]):
        judgement = judged(webhook, outbound(), Secrets(organization))
        assert [part.deduplication.key for part in judgement.parts if part.deduplication] == ["04l0", "04l1"]
        assert judgement.reply is not None and "<Ack>true</Ack>" in judgement.reply.body
        assert dict(judgement.reply.headers or {})["Content-Type"] == "text/xml; charset=utf-8"
        assert b"<SessionId>***</SessionId>" in judgement.redacted.body


def test_a_message_of_salesforces_that_is_no_such_message_is_refused():
    secrets, doctype = Secrets(ORGANIZATION), b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    scheme = scheme_of("salesforce")
    twice = f"<OrganizationId>{ORGANIZATION}</OrganizationId>" * 2
    for request in (
        outbound(0),
        outbound(101),
        outbound(organization=twice),
        with_body(outbound(), doctype + outbound().body),
        with_body(outbound(), b"<a/>"),
        with_body(outbound(), b"{}"),
    ):
        assert refusal(scheme, request, secrets) is Reason.CREDENTIAL_MALFORMED
    assert refusal(scheme, outbound(organization=""), secrets) is Reason.CREDENTIAL_MISSING


# several parts, several places


def test_dataverse_wants_every_pair():
    scheme, secrets = scheme_of("dataverse", query=["a", "b"]), Secrets('{"a": "1", "b": "2"}')
    assert scheme.verify(make_request(query="b=2&a=1"), secrets, NOW).secret == "current"
    assert refusal(scheme, make_request(query="a=1"), secrets) is Reason.CREDENTIAL_MISSING
    assert refusal(scheme, make_request(query="a=1&b=1"), secrets) is Reason.CREDENTIAL_WRONG
    assert refusal(scheme, make_request(query="a=1&b=2&b=3"), secrets) is Reason.CREDENTIAL_MALFORMED
    assert redact(make_request(query="a=1&b=2&c=3"), scheme.carriers()).query == {"a": "***", "b": "***", "c": "3"}


def test_a_token_in_the_query_of_cloudevents_can_be_forbidden():
    request = make_request(query="access_token=key")
    assert scheme_of("cloudevents").verify(request, KEY, NOW).secret == "current"
    assert refusal(scheme_of("cloudevents", query_token=False), request) is Reason.CREDENTIAL_MISSING
    wrong = with_values(request, ("header", "authorization"), "Bearer other")
    assert refusal(scheme_of("cloudevents"), wrong) is Reason.CREDENTIAL_WRONG


def test_forgejo_is_known_under_the_header_of_gitea_too():
    signature = hmac.new(b"key", b"{}", hashlib.sha256).hexdigest()
    request = make_request(b"{}", headers={"x-gitea-signature": signature})
    assert scheme_of("forgejo").verify(request, KEY, NOW).secret == "current"


# the replay guard


def claim(webhook: Webhook, request: RawRequest) -> Any:
    return judged(webhook, webhook.scheme.sign(request, KEY, NOW)).deduplication


def test_a_signature_is_claimed_where_the_id_is_not_signed_unless_that_is_switched_off():
    request = make_request(b"{}", headers={"x-github-delivery": "1"})
    other = make_request(b"{}", headers={"x-github-delivery": "2"})
    guarded = served("github")
    assert claim(guarded, request).mark == claim(guarded, other).mark is not None
    assert claim(guarded, request).mark != claim(guarded, with_body(request, b"[]")).mark
    nameless = claim(guarded, make_request(b"{}"))
    assert (nameless.key, nameless.mark) == ("", claim(guarded, request).mark)
    assert claim(served("github", verification={"replay_guard": False}), request).mark is None
    assert claim(served("github", deduplicate=False), request) is None
    assert (
        claim(served("twilio"), with_values(make_request(), ("header", "i-twilio-idempotency-token"), "1")).mark is None
    )
    hmac_fields = {"header": "X-Sign", "replay_guard": True}
    assert claim(
        served("hmac", verification=hmac_fields, deduplicate={"key": "{{$context.headers.x-id}}"}), request
    ).mark


def test_two_topics_of_shopifys_about_the_same_thing_are_no_replay():
    webhook = served("shopify")
    marks = {
        claim(webhook, make_request(b"{}", headers={"x-shopify-webhook-id": "1", "x-shopify-topic": topic})).mark
        for topic in ("orders/create", "orders/paid")
    }
    assert len(marks) == 2
