"""Sets of networks: from files and from a real https server, kept over a restart, and never opened by a mishap."""

from __future__ import annotations

import functools
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.contract.outbound import exchange
from receiver.contract.outbound_addresses import read_networks
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.ingress import network_sets
from receiver.ingress.allowlist import refuse_unknown_sets
from receiver.ingress.network_sets import NetworkSets, Source, read_sources
from receiver.ingress.remote import Fetch
from receiver.ingress.webhook import compile_webhook
from tests.support.certificates import self_signed, server_tls
from tests.support.front_door import front_door
from tests.support.http_server import Answer, HttpServer

GITHUB = json.dumps({"hooks": ["192.30.252.0/22"]})
INSIDE, OUTSIDE = "192.30.253.7", "203.0.113.9"


class Github:
    """A server that publishes its networks, and how it is reached."""

    def __init__(self, server: HttpServer, fetch: Fetch) -> None:
        self.server, self.fetch = server, fetch
        self.source = Source(f"{server.url}/meta", "/hooks")

    def says(self, body: str, status: int = 200, **more: Any) -> None:
        self.server.answers = [Answer(status=status, body=body, **more)]


@pytest.fixture
async def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Github]:
    monkeypatch.setattr(network_sets, "URL_SECONDS", 0.0)  # asked anew at each renewal
    monkeypatch.setattr(network_sets, "RETRY_SECONDS", 0.0)
    certificate = self_signed(tmp_path, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate))
    fetch = functools.partial(exchange, allow=read_networks(["127.0.0.1"]), tls=trusting)
    async with HttpServer(server_tls(certificate)) as server:
        yield Github(server, fetch)


async def sets_of(github: Github, home: Path) -> NetworkSets:
    sets = NetworkSets({"github-hooks": github.source}, home, github.fetch)
    await sets.renew()
    return sets


def has(sets: NetworkSets, ip: str, name: str = "github-hooks") -> bool | None:
    networks = sets.get(name)
    return None if networks is None else networks.contains(ip)


async def test_a_set_comes_from_an_https_address_and_changes_with_it(github: Github, tmp_path: Path):
    github.says(GITHUB)
    sets = await sets_of(github, tmp_path)
    assert has(sets, INSIDE) and not has(sets, OUTSIDE) and sets.problem("github-hooks") == ""
    assert github.server.requests[0].target == "/meta"
    github.says(json.dumps({"hooks": ["203.0.113.0/24"]}))
    await sets.renew()
    assert has(sets, OUTSIDE) and not has(sets, INSIDE)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=500, body=GITHUB), "answered 500"),
        (Answer(status=302, headers={"Location": "/elsewhere"}), "answered 302"),
        (Answer(body='{"hooks": []}'), "has no networks"),
        (Answer(body='{"other": []}'), "has nothing at /hooks"),
        (Answer(body='{"hooks": ["192.30.252.0/22", "0.0.0.0/0"]}'), "wider than /8"),
        (Answer(body='{"hooks": ["somewhere"]}'), "is no network"),
        (Answer(body="<html>"), "is no JSON"),
        (Answer(body="x" * (network_sets.MOST_BYTES + 1)), "is over"),
        (Answer(drop=True), "was not fetched"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_that_cannot_be_used_leaves_what_was_there_and_is_told_once(
    github: Github, tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: Answer, words: str
):
    github.says(GITHUB)
    sets = await sets_of(github, tmp_path)
    for _ in range(2):
        github.server.answers = [answer]
        await sets.renew()
        assert has(sets, INSIDE) and not has(sets, OUTSIDE)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1 and words in told[0] and "stays as it was" in told[0]
    assert words in sets.problem("github-hooks")
    github.says(GITHUB)
    await sets.renew()
    assert sets.problem("github-hooks") == ""


async def test_the_last_good_one_is_there_after_a_restart_without_the_address(github: Github, tmp_path: Path):
    github.says(GITHUB)
    await sets_of(github, tmp_path)
    again = NetworkSets({"github-hooks": github.source}, tmp_path, github.fetch)
    assert has(again, INSIDE) and "has not been loaded yet" in again.problem("github-hooks")
    github.server.answers = [Answer(status=503)]
    await again.renew()
    assert has(again, INSIDE)
    moved = {"github-hooks": Source(f"{github.server.url}/other", "/hooks")}
    assert has(NetworkSets(moved, tmp_path, github.fetch), INSIDE) is None


async def test_a_damaged_copy_is_no_copy(github: Github, tmp_path: Path):
    for damaged in ("", "[]", '{"github-hooks": 5}', '{"github-hooks": {"source": 1}}', "\x00"):
        (tmp_path / network_sets.KEPT_FILE).write_text(damaged)
        assert has(NetworkSets({"github-hooks": github.source}, tmp_path, github.fetch), INSIDE) is None


async def test_an_address_of_this_machine_is_not_asked_in_earnest(github: Github, tmp_path: Path):
    sets = NetworkSets({"github-hooks": github.source}, tmp_path)
    await sets.renew()
    assert has(sets, INSIDE) is None and "loopback" in sets.problem("github-hooks")
    assert github.server.requests == []


async def test_a_file_is_read_at_the_start_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network_sets, "FILE_SECONDS", 0.0)
    office = tmp_path / "office.txt"
    office.write_text("192.0.2.0/24 # the office\n")
    sets = NetworkSets({"office": Source(office)}, tmp_path)
    assert has(sets, "192.0.2.7", "office")
    office.write_text("198.51.100.0/24\n0.0.0.0/1 # whoever writes this file may\n")
    await sets.renew()
    assert has(sets, "1.1.1.1", "office") and not has(sets, "192.0.2.7", "office")
    office.write_text("# nobody now\n")
    await sets.renew()
    assert has(sets, "198.51.100.1", "office") is False
    office.unlink()
    await sets.renew()
    assert "No such file" in sets.problem("office") and has(sets, "198.51.100.1", "office") is False


@pytest.fixture
def named(tmp_path: Path) -> Path:
    file = tmp_path / "sets.yaml"
    file.write_text(
        "github-hooks: https://api.github.com/meta#/hooks\noffice: lists/office.txt\ncloud: /etc/cloud.json#/a~1b\n"
    )
    return file


def test_names_lead_to_addresses_and_to_files_beside_the_list(named: Path):
    assert read_sources(named) == {
        "github-hooks": Source("https://api.github.com/meta", "/hooks"),
        "office": Source(named.parent / "lists" / "office.txt"),
        "cloud": Source(Path("/etc/cloud.json"), "/a~1b"),
    }
    as_json = named.with_suffix(".json")
    as_json.write_text('{"office": "office.txt"}')
    assert list(read_sources(as_json)) == ["office"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b", "maps up to 100 names"),
        ("Office: a.txt", "is no name"),
        ("a b: a.txt", "is no name"),
        ("office: ", "is a file or an https address"),
        ("office: [a.txt]", "is a file or an https address"),
        ("office: http://example.com/list", "is no https address"),
        ("office: ftp://example.com/list", "is no https address"),
        ("office: https://user:hidden@example.com/list", "is no https address"),
        ("office: 'https://'", "is no https address"),
        ("a: 'b", "cannot be read"),
        ("\n".join(f"a{n}: b" for n in range(101)), "maps up to 100 names"),
    ],
)
def test_a_list_of_names_that_cannot_be_used_says_which_and_hides_passwords(tmp_path: Path, text: str, words: str):
    file = tmp_path / "sets.yaml"
    file.write_text(text)
    with pytest.raises(WebhooksError, match=words) as refused:
        read_sources(file)
    assert "WEBHOOKS_NETWORK_SETS" in str(refused.value) and "hidden" not in str(refused.value)
    with pytest.raises(WebhooksError, match="cannot be read"):
        read_sources(tmp_path / "absent.yaml")


async def test_at_the_door_a_set_lets_in_its_own_and_one_never_loaded_nobody_for_now(github: Github, tmp_path: Path):
    sets = NetworkSets({"github-hooks": github.source}, tmp_path, github.fetch)
    listed = {"key": "push", "ip_allowlist": ["198.51.100.0/24", "set:github-hooks"]}
    async with front_door(tmp_path, listed, sets=sets) as door:
        early = await door.knock("push", peer=INSIDE)
        assert early.status == 503 and dict(early.headers)["retry-after"] == "5"
        row = await door.recorded(early)
        assert row.reason is Reason.NETWORKS_UNAVAILABLE and "set:github-hooks" in row.detail
        assert (await door.knock("push", peer="198.51.100.7")).status == 202
        github.says(GITHUB)
        await sets.renew()
        assert (await door.knock("push", peer=INSIDE)).status == 202
        refused = await door.knock("push", peer=OUTSIDE)
        assert refused.status == 403 and (await door.recorded(refused)).reason is Reason.ADDRESS_NOT_ALLOWED


async def test_a_set_that_is_empty_or_that_nobody_named_lets_nobody_in(tmp_path: Path):
    (tmp_path / "office.txt").write_text("")
    sets = NetworkSets({"office": Source(tmp_path / "office.txt")}, tmp_path)
    office, unknown = ({"key": name, "ip_allowlist": [f"set:{name}"]} for name in ("office", "unknown"))
    async with front_door(tmp_path, office, unknown, sets=sets) as door:
        assert (await door.knock("office")).status == 403
        assert (await door.knock("unknown")).status == 503


def test_a_definition_that_names_an_unknown_set_is_refused_with_those_there_are():
    listed = {"key": "a", "deployment": "f/d", "verification": {"scheme": "none"}, "ip_allowlist": ["set:office"]}
    webhook = compile_webhook(parse_definition(listed, by="write"), revision=1, state="enabled")
    refuse_unknown_sets(webhook, ["office"])
    with pytest.raises(DefinitionError, match=r"no set 'office' .*; there are: github-hooks"):
        refuse_unknown_sets(webhook, ["github-hooks"])
    with pytest.raises(DefinitionError, match="none is named"):
        refuse_unknown_sets(webhook, [])
