"""The outbound client against real servers on loopback, which the tests open by allowance."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import AddressRefused, AnswerTooLarge, OutboundRefused, RedirectRefused
from receiver.contract.outbound import exchange
from receiver.contract.outbound_addresses import read_networks, refusal
from tests.support.certificates import self_signed, server_tls
from tests.support.http_server import Answer, HttpServer

LOOPBACK = read_networks(["127.0.0.1"])


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


@pytest.fixture
async def other() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


class Names:
    """A name server whose answers are told in advance: the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def get(url: str, **headers: str) -> httpx.Request:
    return httpx.Request("GET", url, headers=headers)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", None),
        ("2606:4700::1111", None),
        ("64:ff9b::808:808", None),
        ("::ffff:8.8.8.8", None),
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.3.4", "private"),
        ("192.168.1.1", "private"),
        ("fd00::1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b:1::1", "reserved"),
        ("192.0.2.1", "private"),
        ("198.18.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("100.64.0.1", "shared by a provider's customers"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("0.1.2.3", "private"),
        ("192.88.99.1", "reserved"),
        ("fec0::1", "reserved"),
        ("::7f00:1", "reserved"),
    ],
)
def test_only_public_addresses_are_reached(address, kind):
    assert refusal(address) == kind


@pytest.mark.parametrize("address", ["2002:7f00:1::1", "2001:0:7f00:1::", "2001:db8::1", "3fff::1"])
def test_ipv6_that_carries_an_ipv4_address_or_belongs_to_nobody_is_refused(address):
    assert refusal(address) is not None


def test_a_network_is_opened_in_every_form_that_leads_into_it():
    allowed = read_networks(["10.1.0.0/16"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"):
        assert refusal(address, allowed) is None
    assert refusal("10.2.0.1", allowed) == "private"
    assert refusal("169.254.169.254", allowed) == "link-local"


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fc00::/7") | st.ip_addresses(network="::/8"))
def test_no_private_address_passes_in_any_form(address):
    if refusal(str(address)) is None:
        assert address.ipv4_mapped.is_global, "an IPv4 address in IPv6's clothes is judged as what it is"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}", "http://localhost:{}", "http://2130706433:{}", "http://[::1]:{}"]
)
async def test_loopback_in_any_spelling_is_refused_and_nothing_arrives(server: HttpServer, url: str):
    with pytest.raises(AddressRefused):
        await exchange(get(url.format(server.port)), seconds=20)

    assert server.requests == []


async def test_an_opened_network_is_reached(server: HttpServer):
    server.answers = [Answer(200, "here")]

    response, body = await exchange(get(server.url), allow=LOOPBACK)

    assert (response.status_code, body) == (200, b"here")
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


async def test_the_connection_goes_where_the_name_was_checked(server: HttpServer):
    """Rebinding: the first look-up gives an allowed address, every later one a forbidden one."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])

    await exchange(get(f"http://shop.example.com:{server.port}/x"), allow=LOOPBACK, resolve=names)
    with pytest.raises(AddressRefused, match=r"shop\.example\.com is at 169\.254\.169\.254, which is link-local"):
        await exchange(get(f"http://shop.example.com:{server.port}/x"), allow=LOOPBACK, resolve=names)

    assert names.asked == ["shop.example.com"] * 2, "one look-up for each connection"
    [request] = server.requests
    assert request.headers["host"] == f"shop.example.com:{server.port}"


async def test_of_several_addresses_only_permitted_ones_are_tried(server: HttpServer):
    names = Names(["10.0.0.1", "127.0.0.2", "127.0.0.1"])

    response, _ = await exchange(
        get(f"http://shop.example.com:{server.port}"), allow=read_networks(["127.0.0.0/8"]), resolve=names
    )

    assert response.status_code == 200


async def test_every_redirect_is_checked(server: HttpServer, other: HttpServer):
    server.answers = [Answer(302, "", {"Location": f"http://inside.example.com:{other.port}/"})]
    names = Names(["127.0.0.1"], ["10.0.0.1"])

    with pytest.raises(AddressRefused, match=r"inside\.example\.com"):
        await exchange(get(f"http://shop.example.com:{server.port}"), allow=LOOPBACK, redirects=5, resolve=names)

    assert len(server.requests) == 1
    assert other.requests == []


async def test_another_origin_gets_no_header_that_could_be_a_credential(server: HttpServer, other: HttpServer):
    credentials = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "a=s3cret"}
    server.answers = [
        Answer(302, "", {"Location": "/again"}),
        Answer(302, "", {"Location": f"{other.url}/there"}),
    ]

    await exchange(get(server.url, **credentials), allow=LOOPBACK, redirects=5)

    assert [request.headers.get("x-api-key") for request in server.requests] == ["s3cret", "s3cret"]
    assert "s3cret" not in str(other.requests)
    assert other.requests[0].headers["host"] == f"127.0.0.1:{other.port}"


async def test_redirects_are_counted(server: HttpServer):
    server.answers = [Answer(302, "", {"Location": "/"})] * 9

    with pytest.raises(httpx.TooManyRedirects):
        await exchange(get(server.url), allow=LOOPBACK, redirects=3)
    assert len(server.requests) == 4


@pytest.mark.parametrize("body", [b"x" * 2_000_000, gzip.compress(b"x" * 2_000_000)])
async def test_an_answer_is_bounded_as_it_came_and_as_it_unfolds(server: HttpServer, body: bytes):
    server.answers = [Answer(200, body, {"Content-Encoding": "gzip"} if body[:1] != b"x" else {})]

    with pytest.raises(AnswerTooLarge, match="over 1000 bytes"):
        await exchange(get(server.url), allow=LOOPBACK, max_bytes=1000)


async def test_the_whole_is_bounded_in_time(server: HttpServer):
    server.answers = [Answer(200, "x" * 100, trickle=True)]

    with pytest.raises(TimeoutError):
        await exchange(get(server.url), allow=LOOPBACK, seconds=0.3)


async def test_a_proxy_of_the_environment_is_not_used(server: HttpServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert (await exchange(get(server.url), allow=LOOPBACK))[0].status_code == 200


async def test_a_name_that_is_not_found_is_a_connection_error():
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(httpx.ConnectError, match=r"gone\.example\.com is not found"):
        await exchange(get("http://gone.example.com"), resolve=nowhere)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path, "shop.example.com")


async def test_tls_asks_for_and_verifies_the_name_not_the_address(certificate: Path):
    asked: list[str | None] = []
    presented = server_tls(certificate)
    presented.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with HttpServer(presented) as server:
        url = f"https://shop.example.com:{server.port}/"
        response, _ = await exchange(get(url), allow=LOOPBACK, tls=trusted, resolve=Names(["127.0.0.1"]))
        assert response.status_code == 200

        for wrong, context in [(url, None), (url.replace("shop", "bank"), trusted), (server.url, trusted)]:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await exchange(get(wrong), allow=LOOPBACK, tls=context, resolve=Names(["127.0.0.1"]))
        assert len(server.requests) == 1
    assert asked[:3] == ["shop.example.com", "shop.example.com", "bank.example.com"]


async def test_from_https_to_http_no_redirect_is_followed(certificate: Path, server: HttpServer):
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with HttpServer(server_tls(certificate)) as encrypted:
        encrypted.answers = [Answer(302, "", {"Location": server.url})]
        with pytest.raises(RedirectRefused, match="without encryption") as caught:
            await exchange(
                get(f"https://shop.example.com:{encrypted.port}/"),
                allow=LOOPBACK,
                tls=trusted,
                redirects=5,
                resolve=Names(["127.0.0.1"]),
            )

    assert isinstance(caught.value, OutboundRefused)
    assert server.requests == []
