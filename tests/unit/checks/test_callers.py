"""Whether a webhook's callers can call, by what is set and by whom the door has refused of late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.checks.caller_rules import warnings_of
from receiver.checks.callers import Callers
from receiver.checks.situation import CallerFacts
from receiver.contract.parse import parse_definition
from receiver.ingress import network_sets
from receiver.ingress.client_ip import Proxies, parse_networks
from receiver.ingress.network_sets import NetworkSets, Source
from receiver.ingress.webhook import Webhook, compile_webhook
from tests.support.front_door import FrontDoor, front_door

LISTED = {"key": "listed", "ip_allowlist": ["192.0.2.0/24"]}
PROXY = "10.0.0.1"
TRUSTED = Proxies(parse_networks([PROXY]))


def webhook(**fields: Any) -> Webhook:
    definition = {"deployment": "f/d", "verification": {"scheme": "none"}, **LISTED, **fields}
    return compile_webhook(parse_definition(definition, by="code"), revision=1, state="enabled")


def callers(door: FrontDoor, home: Path, **more: Any) -> Callers:
    usual: dict[str, Any] = {
        "proxies": Proxies(),
        "sets": NetworkSets({}, home),
        "proxied_url": None,
        "now": lambda: datetime.now(UTC),
    }
    return Callers(deliveries=door.store, **{**usual, **more})


@pytest.mark.parametrize(
    ("header", "said"),
    [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "1.1.1.1, 192.0.2.7"), ("forwarded", "for=192.0.2.7")],
)
async def test_a_refused_request_of_a_proxy_that_nobody_trusts_is_told(tmp_path: Path, header: str, said: str):
    async with front_door(tmp_path, LISTED) as door:
        assert (await door.knock("listed", peer=PROXY, headers={header: said})).status == 403
        facts = await callers(door, tmp_path).facts(webhook())
        assert PROXY in facts.proxied and "WEBHOOKS_TRUSTED_PROXIES" in facts.proxied
        [warning] = warnings_of(facts)
        assert "can match nobody" in warning and "WEBHOOKS_TRUSTED_PROXIES" in warning
        later = callers(door, tmp_path, now=lambda: datetime.now(UTC) + timedelta(days=2))
        assert (await later.facts(webhook())).proxied == ""


async def test_a_stranger_that_was_rightly_refused_is_no_proxy(tmp_path: Path):
    async with front_door(tmp_path, LISTED, proxies=TRUSTED) as door:
        assert (await door.knock("listed")).status == 403
        assert await callers(door, tmp_path, proxies=TRUSTED).facts(webhook()) == CallerFacts()
        through = {"x-forwarded-for": "203.0.113.9"}
        assert (await door.knock("listed", peer=PROXY, headers=through)).status == 403
        assert await callers(door, tmp_path, proxies=TRUSTED).facts(webhook()) == CallerFacts()


async def test_a_public_https_address_without_a_trusted_proxy_is_told_before_the_first_request(tmp_path: Path):
    async with front_door(tmp_path, LISTED) as door:
        public = {"proxied_url": "https://hooks.example.com"}
        assert "WEBHOOKS_PUBLIC_URL" in (await callers(door, tmp_path, **public).facts(webhook())).proxied
        assert await callers(door, tmp_path, **public, proxies=TRUSTED).facts(webhook()) == CallerFacts()
        assert await callers(door, tmp_path, **public).facts(webhook(ip_allowlist=None)) == CallerFacts()
        assert await callers(door, tmp_path, proxied_url="http://10.0.0.5:8000").facts(webhook()) == CallerFacts()


async def test_sets_that_are_not_there_and_sets_that_grow_old_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(network_sets, "FILE_SECONDS", 0.0)  # looked at anew with each renewal
    office = tmp_path / "office.txt"
    office.write_text("192.0.2.0/24")
    sources = {"office": Source(office), "lost": Source(tmp_path / "absent.txt")}
    async with front_door(tmp_path, LISTED) as door:
        sets = NetworkSets(sources, tmp_path)
        listed = webhook(ip_allowlist=["set:office", "set:lost", "set:unknown"])
        facts = await callers(door, tmp_path, sets=sets).facts(listed)
        assert "set:lost: " in facts.lost_sets and "set:unknown: there is no such set" in facts.lost_sets
        assert "office" not in facts.lost_sets and facts.old_sets == ""
        assert any("503" in warning for warning in warnings_of(facts))
        office.unlink()
        await sets.renew()
        assert "set:office: " in (await callers(door, tmp_path, sets=sets).facts(listed)).old_sets


async def test_client_certificates_need_a_header_and_a_proxy_that_is_trusted(tmp_path: Path):
    bank = webhook(ip_allowlist=None, verification={"scheme": "client-certificate", "subjects": ["CN=bank"]})
    passing = Proxies(TRUSTED.networks, certificate_header="x-client-cert")
    async with front_door(tmp_path, LISTED) as door:
        for proxies in (Proxies(), TRUSTED, Proxies(certificate_header="x-client-cert")):
            facts = await callers(door, tmp_path, proxies=proxies).facts(bank)
            assert facts.no_certificates and "WEBHOOKS_CLIENT_CERT_HEADER" in warnings_of(facts)[0]
        assert await callers(door, tmp_path, proxies=passing).facts(bank) == CallerFacts()
