"""Secrets stay secret: every scheme's, wherever a request goes and whatever becomes of it, on the whole system."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from pydantic import SecretStr

from blocks import WebhookSecret, WebhooksReceiver
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES
from tests.support.marked import MarkedSender, marked_senders, spellings
from tests.support.prefect import PrefectServer
from tests.support.receiver import ADMIN_KEY
from tests.support.serving import Serving, serving
from tests.support.waiting import wait_until
from tests.support.workers import client_of, make_pool, running_worker

DEADLINE = 240
PAGE = 200
SYNC = {"api-key", "url-token", "bearer"}
ALONE = {
    *("none", "python", "salesforce", "aws-sns", "paypal", "discord", "sendgrid", "standard-webhooks-v1a"),
    "client-certificate",
}
"""Schemes without a secret of ours, or whose secret is no secret: a public key, an organization's id."""
EVERY = frozenset(SCHEMES) - ALONE
SOME = frozenset(
    {"api-key", "bearer", "basic", "github", "slack", "odoo", "url-token", "microsoft-graph", "mailgun", "zoho-crm"}
    | {"meta", "wecom"}
)
"""One for each place that a credential travels in: headers, query, path, JSON at several depths, a handshake, XML."""
ENDED = {"completed", "failed", "held", "rejected", "duplicate", "filtered", "split"}
KINDS: dict[str, dict[str, Any]] = {
    "runs": {},
    "fails": {},
    "holds": {"schema": {"required": ["what nobody sends"], "type": "object"}, "on_invalid": "hold"},
    "refuses": {"schema": {"required": ["what nobody sends"], "type": "object"}, "on_invalid": "reject"},
    "is-small": {"max_body": 1},
}
"""Webhooks of each sender: what becomes of its good requests there."""


@dataclass
class Whole:
    """The whole system: a receiver's process, Prefect's server, a worker's log. `answers` is all that senders got."""

    receiver: Serving
    prefect: PrefectClient
    log: Path
    deployment: str
    answers: list[httpx.Response] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)

    def admin(self, method: str, path: str, **content: Any) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {ADMIN_KEY}"}
        return self.receiver.http.request(method, path, headers={**bearer, **content.pop("headers", {})}, **content)

    def send(self, request: RawRequest, **headers: str) -> httpx.Response:
        """Send what a sender made, byte by byte."""
        query = f"?{request.query_string}" if request.query_string else ""
        wire = self.receiver.http.build_request(
            request.method,
            request.path + query,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in (*request.headers, *headers.items())],
            content=request.wire_body,
        )
        self.answers.append(self.receiver.http.send(wire))
        return self.answers[-1]

    def all(self, path: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self.admin("GET", path, params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
            yield from page["items"]
            if not (cursor := page["next_cursor"]):
                return


@pytest.fixture
async def whole(prefect_settings: PrefectServer, tmp_path: Path) -> AsyncIterator[Whole]:
    prefect_server = prefect_settings
    await WebhookSecret.register_type_and_schema()
    home = tmp_path / "home"
    home.mkdir()
    settings = {name: value for name, value in prefect_server.env.items() if name.startswith("PREFECT_")}
    async with client_of(prefect_server) as prefect:
        pool = await make_pool(prefect, prefect_server, "warm")
        await pool.deployment("telling.tell", enforce_parameter_schema=False)
        with (
            running_worker(pool, tmp_path, WEBHOOKS_HOME=str(home)) as worker,
            serving(home, WEBHOOKS_UNVERIFIED_LIMIT="off", **settings) as receiver,
        ):
            access = WebhooksReceiver(url=str(receiver.http.base_url), key=SecretStr(ADMIN_KEY))
            document = await access.asave("default", overwrite=True)
            yield Whole(receiver, prefect, worker.log, f"tell/{pool.name}")
            await prefect.delete_block_document(document)


@pytest.mark.parametrize("schemes", [SOME, pytest.param(EVERY, marks=pytest.mark.long)], ids=["some", "every"])
async def test_no_secret_gets_anywhere_whatever_becomes_of_its_request(
    whole: Whole, tmp_path: Path, schemes: frozenset[str]
) -> None:
    senders = [sender for sender in marked_senders() if sender.scheme.name in schemes]
    assert {sender.scheme.name for sender in senders} == schemes
    for sender in senders:
        reference = defined(whole, sender)
        everything_happens(whole, sender, reference)
    wait_until(lambda: all_have_ended(whole), DEADLINE, what="every delivery has ended")
    outcomes = Counter((row["webhook"].partition("-")[0], row["status"]) for row in whole.all("/api/admin/deliveries"))
    assert outcomes["runs", "completed"] >= len(senders) and outcomes["fails", "failed"] >= len(SYNC), outcomes
    assert outcomes["holds", "held"] >= len(senders) - 5 and outcomes["runs", "rejected"] > len(senders), outcomes
    run_again(whole)
    wait_until(lambda: all_have_ended(whole), DEADLINE, what="every replay has ended")

    needles = {secret for sender in senders for secret in sender.secrets()} | whole.shown | {ADMIN_KEY}
    spelled = {spelling for needle in needles for spelling in spellings(needle)}
    for place, content in {**await told_by_prefect(whole), **told_by_the_receiver(whole)}.items():
        assert content, f"{place} is empty"
        found = [spelling for spelling in spelled if spelling in content]
        assert not found, f"{place} holds {found[0]!r}: {around(content, found[0])!r}"
    whole.receiver.stop()
    for place, content in kept_in_files(tmp_path).items():
        found = [spelling for spelling in spelled if spelling in content]
        assert not found, f"{place} holds {found[0]!r}: {around(content, found[0])!r}"


def defined(whole: Whole, sender: MarkedSender) -> str:
    """Make the webhooks of a sender; the reference to its secret, which is given as it is but once."""
    secret = sender.secret
    for kind, fields in KINDS.items():
        if kind not in kinds_of(sender):
            continue
        mode = "sync" if kind in {"runs", "fails"} and sender.scheme.name in SYNC else "async"
        body = {
            "key": f"{kind}-{sender.number}",
            "deployment": whole.deployment,
            "mode": mode,
            **({"timeout": 60} if mode == "sync" else {}),
            "verification": {**sender.verification, "secret": secret},
            **fields,
        }
        made = whole.admin("POST", "/api/admin/webhooks", json=body)
        assert made.status_code == 201, made.text
        whole.answers.append(made)
        secret = made.json()["verification"]["secret"]
        assert secret.startswith("block:")
    return str(secret)


def kinds_of(sender: MarkedSender) -> set[str]:
    """A body is kept in more ways than a header is: what shows its credential there is tried in all of them."""
    carriers = sender.scheme.carriers()
    shown_in_body = carriers.body_fields or carriers.body_paths
    return set(KINDS) if shown_in_body or sender.scheme.name in SYNC else {"runs", "holds"}


def everything_happens(whole: Whole, sender: MarkedSender, reference: str) -> None:
    """Accepted, failing, repeated, held, refused in several ways, too large, unreadable, to nobody, a handshake."""

    def made(kind: str) -> RawRequest:
        request = sender.request(f"{whole.receiver.http.base_url}/api/webhooks/{kind}-{sender.number}")
        whole.shown.update(sender.credentials(request))
        return request

    good = made("runs")
    first = whole.send(good)
    assert first.status_code < 300, f"{sender.recording.id}: {first.status_code} {first.text}"
    assert whole.send(good).status_code < 300
    for kind in kinds_of(sender) - {"runs"}:
        assert whole.send(made(kind)).status_code < 501
    assert whole.send(sender.spoiled(good)).status_code in {401, 404}, sender.recording.id
    assert whole.send(replace(good, wire_body=good.wire_body[:-1])).status_code < 500
    assert whole.send(replace(good, method="PATCH")).status_code in {404, 405}
    assert whole.send(good, **{"Content-Encoding": "gzip"}).status_code < 500
    assert whole.send(good, **{"Content-Type": "multipart/form-data; boundary=x"}).status_code < 500
    assert whole.send(replace(good, path="/api/webhooks/nobody/" + max(sender.secrets(), key=len).strip('{"'))).is_error
    sample = {"body_base64": "e30=", "headers": [["Content-Type", "application/json"]]}
    sampled = whole.admin("POST", f"/api/admin/webhooks/runs-{sender.number}/send", json=sample)
    assert sampled.status_code in {200, 422}, sampled.text  # some sign what stands in a body that this one is not
    whole.answers.append(sampled)
    if sender.scheme.name == "meta":
        token = json.loads(sender.secret)["verify_token"]
        for shown, status in ((token, 200), (token + "x", 401)):
            query = f"hub.mode=subscribe&hub.challenge=17&hub.verify_token={shown}"
            assert whole.send(replace(good, method="GET", query_string=query)).status_code == status
    if sender.recording.handshake is not None:
        url = f"{whole.receiver.http.base_url}/api/webhooks/runs-{sender.number}"
        shaken = sender.request(url, sender.recording.handshake)
        whole.shown.update(sender.credentials(shaken))
        assert whole.send(shaken).status_code == 200
        assert whole.send(sender.spoiled(shaken)).status_code in {400, 401}
    mistaken = {"verification": {**sender.verification, "secret": {"value": sender.secret}}}
    refused = whole.admin("PATCH", f"/api/admin/webhooks/runs-{sender.number}", json=mistaken)
    assert refused.status_code == 422
    whole.answers.append(refused)
    assert sender.secret not in reference


def all_have_ended(whole: Whole) -> bool:
    return all(row["status"] in ENDED for row in whole.all("/api/admin/deliveries"))


def run_again(whole: Whole) -> None:
    """What was refused, held and accepted, as it came and with a body that holds credentials once more."""
    for status in ("rejected", "held", "completed"):
        rows = [row for row in whole.all("/api/admin/deliveries") if row["status"] == status][::7]
        for row in rows:
            path = f"/api/admin/deliveries/{row['id']}"
            whole.answers.append(whole.admin("POST", f"{path}/replay"))
            sent = whole.admin("GET", f"{path}/body").text
            edited = {"body": sent.replace("***", "edited"), "content_type": "application/json"}
            whole.answers.append(whole.admin("POST", f"{path}/replay", json=edited))


async def told_by_prefect(whole: Whole) -> dict[str, bytes]:
    """Everything that Prefect's API tells of runs and blocks."""
    http = whole.prefect._client
    told: dict[str, bytes] = {}
    for kind in ("flow_runs", "task_runs", "logs", "artifacts", "block_documents", "deployments"):
        pages: list[bytes] = []
        while not pages or len(json.loads(pages[-1])) == PAGE:
            asked = {"limit": PAGE, "offset": PAGE * len(pages)}
            pages.append((await http.post(f"/{kind}/filter", json=asked)).content)
        told[f"Prefect's {kind}"] = b"\n".join(pages)
    answer = (await http.post("/events/filter", json={"limit": 50})).json()
    pages = [json.dumps(answer).encode()]
    while answer.get("next_page"):
        answer = (await http.get(answer["next_page"])).json()
        pages.append(json.dumps(answer).encode())
    told["Prefect's events"] = b"\n".join(pages)
    for kind, words in {
        "flow_runs": b"delivery_id",
        "task_runs": b"noted",
        "logs": b"raw",
        "artifacts": b"raw",
    }.items():
        assert words in told[f"Prefect's {kind}"], f"Prefect tells nothing of our {kind}"
    assert b"webhooks.reply" in told["Prefect's events"]
    return told


def told_by_the_receiver(whole: Whole) -> dict[str, bytes]:
    """What senders were answered, and every reading route of the admin API."""
    answered = [b"%r%s" % (answer.headers.raw, answer.content) for answer in whole.answers]
    told = {"an answer": b"\n".join(answered)}
    paths = ["/openapi.json", "/docs", *(f"/api/admin/{name}" for name in ("stats", "check", "keys", "address"))]
    for row in whole.all("/api/admin/webhooks"):
        paths += [f"/api/admin/webhooks/{row['key']}", f"/api/admin/webhooks/{row['key']}/revisions"]
    for row in whole.all("/api/admin/deliveries"):
        path = f"/api/admin/deliveries/{row['id']}"
        paths += [path, f"{path}/body", f"{path}/context"]
    pages = [whole.admin("GET", path) for path in paths]
    pages += [whole.admin("GET", "/docs", headers={"Accept": "text/html"})]
    told["the admin API"] = b"\n".join(page.content for page in pages)
    for kind in ("audit", "deliveries", "webhooks"):
        told[f"the list of {kind}"] = json.dumps(list(whole.all(f"/api/admin/{kind}"))).encode()
    told["the worker's log"] = whole.log.read_bytes()
    return told


def kept_in_files(folder: Path) -> dict[str, bytes]:
    """Every file, byte by byte, and every cell of every SQLite database: a long one lies scattered in its file."""
    kept = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for name in [name for name, content in kept.items() if content.startswith(b"SQLite format 3")]:
        with closing(sqlite3.connect(folder / name)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
                cells = (cell for row in rows for cell in row)
                kept[f"{name}: {table}"] = b"\n".join(
                    cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells
                )
    assert {"home/receiver.db: delivery", "home/receiver.db: payload", "home/records.db: told"} <= kept.keys()
    assert kept["home/records.db: told"] and kept["home/stdout"]
    return kept


def around(content: bytes, spelling: bytes) -> bytes:
    at = content.index(spelling)
    return content[max(0, at - 200) : at + 20]
