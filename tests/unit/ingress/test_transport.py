"""Secrets that travel themselves are taken over an encrypted connection, from this machine, or where it was allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from receiver.contract.reasons import Reason
from receiver.ingress.client_ip import Proxies, parse_networks
from receiver.ingress.verify import SCHEMES, build_scheme
from tests.support.front_door import STRANGER, FrontDoor, front_door

SECRET = "the-quick-brown-secret"
TOLD = {"authorization": f"Bearer {SECRET}"}
PROXY = "10.0.0.1"


def keyed(**verification: Any) -> dict[str, Any]:
    return {"key": "keyed", "verification": {"scheme": "bearer", "secret": "env:TRANSPORT_TEST", **verification}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSPORT_TEST", SECRET)
    return tmp_path


async def status(door: FrontDoor, **request: Any) -> int:
    return (await door.knock("keyed", **{"headers": TOLD, **request})).status


async def test_a_secret_in_the_clear_from_elsewhere_is_refused_with_what_to_do_and_recorded(home: Path):
    async with front_door(home, keyed()) as door:
        answer = await door.knock("keyed", headers=TOLD)
        problem = json.loads(answer.body)
        assert answer.status == 403 and "https" in problem["detail"] and "X-Forwarded-Proto" in problem["detail"]
        row = await door.recorded(answer)
        assert (row.status, row.reason) == ("rejected", Reason.INSECURE_TRANSPORT)
        assert "bearer" in row.detail and STRANGER in row.detail and SECRET not in json.dumps(row.headers)


async def test_encrypted_or_from_this_machine_or_allowed_it_is_taken(home: Path):
    async with front_door(home, keyed()) as door:
        assert await status(door, scheme="https") == 202
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1", ""):
            assert await status(door, peer=peer) == 202
    async with front_door(home, keyed(), allow_plain_http=True) as door:
        assert await status(door) == 202


async def test_how_a_trusted_proxy_was_spoken_to_counts_and_nobody_elses_word_on_it(home: Path):
    said = {**TOLD, "x-forwarded-for": STRANGER, "x-forwarded-proto": "https"}
    async with front_door(home, keyed(), proxies=Proxies(parse_networks([PROXY]))) as door:
        assert await status(door, peer=PROXY, headers=said) == 202
        assert await status(door, peer=PROXY, headers={**said, "x-forwarded-proto": "http"}) == 403
        assert await status(door, peer=PROXY, headers={**TOLD, "x-forwarded-for": STRANGER}) == 403
        assert await status(door, headers=said) == 403
        assert await status(door, peer="10.0.0.2", headers=said) == 403


async def test_what_signs_or_is_open_comes_over_plain_http_too(home: Path):
    github = {"key": "keyed", "verification": {"scheme": "github", "secret": "env:TRANSPORT_TEST"}}
    async with front_door(home, github, {"key": "open"}) as door:
        assert (await door.knock("open")).status == 202
        assert await status(door) == 401


async def test_gitlabs_two_tokens_are_told_apart(home: Path):
    for token, refused in (("secret", True), ("signing", False)):
        scheme = build_scheme({"scheme": "gitlab", "secret": "env:X", "token": token})
        assert scheme.shows_secret() is refused


def test_the_general_schemes_without_a_signature_show_their_secret():
    shown = {name for name, scheme in SCHEMES.items() if scheme.strength == "secret"}
    assert {"api-key", "basic", "bearer", "jwt", "url-token", "gitlab"} <= shown
    assert not shown & {"hmac", "github", "none", "rfc9421"}


async def test_an_unknown_path_and_a_disabled_webhook_are_told_alike_whatever_the_transport(home: Path):
    disabled = {**keyed(), "state": "disabled"}
    async with front_door(home, disabled) as door:
        answers = [await door.knock(path, headers=TOLD) for path in ("keyed", "nothing-here")]
        assert [each.status for each in answers] == [404, 404]
        assert answers[0].body == answers[1].body
        without_id = [[pair for pair in each.headers if pair[0] != "webhook-delivery-id"] for each in answers]
        assert without_id[0] == without_id[1]
