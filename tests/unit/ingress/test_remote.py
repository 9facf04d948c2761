"""What is fetched of a sender before its request can be judged: from a real server over TLS, bounded, once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from receiver.contract.errors import Refused, Unverified
from receiver.contract.outbound import exchange
from receiver.contract.outbound_addresses import read_networks
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.ingress import remote
from receiver.ingress.decide import Proven
from receiver.ingress.prove import Prover
from receiver.ingress.remote import MOST_BYTES, RemoteDocuments
from receiver.ingress.request import RawRequest
from receiver.ingress.vault import Vault
from receiver.ingress.verify.base import Handshake
from receiver.ingress.webhook import Webhook, compile_webhook
from tests.conformance.schemes import NOW, make_request
from tests.conformance.schemes.certified import SNS_CERTIFICATE, TOPIC, certificate, pem, sns, sns_request
from tests.conformance.schemes.tokens import EC_KEYS, base64url, bearer, by_key, token
from tests.support.certificates import self_signed, server_tls
from tests.support.http_server import Answer, HttpServer

HOST = "sns.eu-west-1.amazonaws.com"
CONFIRM = f"https://{HOST}/?Action=ConfirmSubscription&Token=1"
JWKS = f"https://{HOST}/keys"


@dataclass
class Internet:
    """One host name with a server behind it, and what fetches from there as if it were the internet."""

    server: HttpServer
    documents: RemoteDocuments
    asked: list[str]


@pytest.fixture
async def internet(tmp_path: Path) -> AsyncIterator[Internet]:
    pem_file = self_signed(tmp_path, HOST)
    trusting = ssl.create_default_context(cafile=str(pem_file))
    async with HttpServer(server_tls(pem_file)) as server:
        asked: list[str] = []

        async def at_home(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        async def fetch(request: httpx.Request, *, seconds: float, max_bytes: int) -> tuple[httpx.Response, bytes]:
            asked.append(str(request.url))
            here = httpx.Request(request.method, request.url.copy_with(port=server.port))
            allow = read_networks(["127.0.0.1"])
            return await exchange(
                here, seconds=seconds, max_bytes=max_bytes, allow=allow, tls=trusting, resolve=at_home
            )

        yield Internet(server, RemoteDocuments(fetch), asked)


async def unavailable(documents: RemoteDocuments, url: str = SNS_CERTIFICATE) -> str:
    """Why a document cannot be had."""
    with pytest.raises(Refused) as refused:
        await documents.get([url])
    assert refused.value.reason is Reason.DOCUMENT_UNAVAILABLE
    return refused.value.detail


def webhook(**verification: object) -> Webhook:
    fields = {"key": "w", "deployment": "f/d", "verification": verification}
    return compile_webhook(parse_definition(fields, by="code"), revision=1, state="enabled")


SNS = webhook(scheme="aws-sns", topic_arn=TOPIC)


def prover(internet: Internet) -> Prover:
    class NoBlocks:
        async def read_block(self, block_type: str, name: str) -> None:
            raise AssertionError("no secret is asked for here")

        async def write_block(self, block_type: str, name: str, data: object) -> None: ...

    return Prover(Vault(NoBlocks()), internet.documents)


async def test_a_document_is_fetched_once_however_many_ask_and_then_remembered(internet: Internet):
    internet.server.answers = [Answer(body="a certificate")]
    found = await asyncio.gather(*(internet.documents.get([SNS_CERTIFICATE]) for _ in range(20)))
    assert all(each == {SNS_CERTIFICATE: b"a certificate"} for each in found)
    await internet.documents.get([SNS_CERTIFICATE])
    assert len(internet.server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=302, headers={"Location": "https://127.0.0.1/elsewhere"}), "302"),
        (Answer(status=500), "500"),
        (Answer(drop=True), "not fetched"),
        (Answer(body=b"x" * (MOST_BYTES + 1)), "over 262144 bytes"),
    ],
    ids=["redirect", "failure", "hang up", "too large"],
)
async def test_a_failure_is_a_503_and_is_not_tried_again_at_once(internet: Internet, answer: Answer, words: str):
    internet.server.answers = [answer, Answer(body="too late")]
    for _ in range(3):
        assert words in await unavailable(internet.documents)
    assert len(internet.server.requests) == 1


async def test_an_old_document_serves_while_a_newer_one_cannot_be_had(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remote, "FRESH_SECONDS", -1.0)
    internet.server.answers = [Answer(body="old"), Answer(status=500)]
    for _ in range(3):
        assert await internet.documents.get([SNS_CERTIFICATE]) == {SNS_CERTIFICATE: b"old"}
    assert len(internet.server.requests) == 2
    monkeypatch.setattr(remote, "KEPT_SECONDS", -1.0)
    assert "500" in await unavailable(internet.documents)


async def test_what_is_remembered_and_what_is_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch):
    answer = asyncio.Event()

    async def slow(request: httpx.Request, **_: object) -> tuple[httpx.Response, bytes]:
        await answer.wait()
        return httpx.Response(200), b"late"

    monkeypatch.setattr(remote, "MOST_KEPT", 16)
    documents = RemoteDocuments(slow)
    under_way = [asyncio.create_task(documents.get([f"https://a.example/{n}"])) for n in range(remote.MOST_AT_ONCE)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "under way" in await unavailable(documents, "https://a.example/one-more")
    answer.set()
    await asyncio.gather(*under_way)
    for number in range(40):
        await documents.get([f"https://b.example/{number}"])
    assert len(documents._entries) == 16


@pytest.mark.parametrize(
    "url", ["http://sns.eu-west-1.amazonaws.com/a.pem", "https:///a.pem", "https://[", "ftp://a/b"]
)
async def test_only_https_is_fetched(url: str):
    await unavailable(RemoteDocuments(), url)


async def test_addresses_that_are_made_up_displace_no_document(internet: Internet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote, "MOST_KEPT", 4)
    internet.server.answers = [Answer(body="a certificate"), *(Answer(status=404) for _ in range(8))]
    await internet.documents.get([SNS_CERTIFICATE])
    for number in range(8):
        await unavailable(internet.documents, f"https://{HOST}/{number}.pem")
    assert await internet.documents.get([SNS_CERTIFICATE]) == {SNS_CERTIFICATE: b"a certificate"}
    assert len(internet.server.requests) == 9


async def test_in_earnest_no_address_of_ours_is_reached():
    assert "loopback" in await unavailable(RemoteDocuments(), "https://127.0.0.1/a.pem")


async def test_a_message_of_sns_is_proven_with_the_certificate_of_its_address(internet: Internet):
    internet.server.answers = [Answer(body=pem(certificate(HOST)))]
    request = replace(sns_request(sns()), documents={})
    proven = await prover(internet).prove(SNS, request, NOW)
    assert isinstance(proven, Proven) and proven.verified.scheme == "aws-sns"
    assert internet.asked == [SNS_CERTIFICATE]


async def test_nothing_is_fetched_for_a_topic_or_from_an_address_that_is_not_taken(internet: Internet):
    for message in (sns(TopicArn=f"{TOPIC}-2"), sns(url="https://sns.eu-west-1.amazonaws.com.evil.example/a.pem")):
        with pytest.raises(Unverified):
            await prover(internet).prove(SNS, replace(sns_request(message), documents={}), NOW)
    assert internet.asked == []


async def test_a_proven_subscription_is_confirmed_and_a_failure_makes_sns_ask_again(internet: Internet):
    told = sns(Type="SubscriptionConfirmation", Subject=None, Token="1", SubscribeURL=CONFIRM)
    request = replace(sns_request(told), documents={})
    internet.server.answers = [Answer(body=pem(certificate(HOST))), Answer(), Answer(status=500)]
    assert isinstance(await prover(internet).prove(SNS, request, NOW), Handshake)
    assert internet.asked == [SNS_CERTIFICATE, CONFIRM]
    with pytest.raises(Refused) as refused:
        await prover(internet).prove(SNS, request, NOW)
    assert refused.value.reason is Reason.DOCUMENT_UNAVAILABLE
    forged = replace(sns_request({**told, "Token": "2"}), documents={})
    with pytest.raises(Unverified):
        await prover(internet).prove(SNS, forged, NOW)
    assert internet.asked[2:] == [CONFIRM]


async def test_a_new_key_of_an_issuer_is_found_as_soon_as_a_token_names_it(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remote, "RENEWED_SECONDS", -1.0)
    by_issuer = webhook(scheme="jwt", algorithms=["ES256"], jwks=JWKS)
    old, new = (jwk(number) for number in (0, 1))
    internet.server.answers = [Answer(body=f'{{"keys": [{old}]}}'), Answer(body=f'{{"keys": [{old}, {new}]}}')]
    for number, fetches in ((0, 1), (1, 2), (0, 2)):
        proven = await prover(internet).prove(by_issuer, with_token(number), NOW)
        assert isinstance(proven, Proven) and proven.verified.secret == f"key-{number + 1}"
        assert len(internet.asked) == fetches
    with pytest.raises(Unverified):
        await prover(internet).prove(by_issuer, make_request(b"{}"), NOW)
    assert len(internet.asked) == 2


def jwk(number: int) -> str:
    """A public key as its issuer lists it."""
    point = EC_KEYS[number].public_key().public_numbers()
    x, y = (base64url(each.to_bytes(32, "big")) for each in (point.x, point.y))
    return f'{{"kty": "EC", "crv": "P-256", "x": "{x}", "y": "{y}", "kid": "k{number}", "use": "sig"}}'


def with_token(number: int) -> RawRequest:
    """A request with a token by the key of that number."""
    claims: dict[str, object] = {"exp": int(NOW.timestamp()) + 60}
    return bearer(make_request(b"{}"), token({"alg": "ES256", "kid": f"k{number}"}, claims, by_key(EC_KEYS[number])))
