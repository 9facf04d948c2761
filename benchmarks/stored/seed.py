"""Deliveries by the million, made by the database itself in the shape that real ones have."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, text

from benchmarks.loading import body_of
from receiver.storage.address import find_address
from receiver.storage.connections import writer_engine
from receiver.storage.migrate import migrate
from receiver.storage.values import to_json, to_micros

WEBHOOKS = 20
BODY_BYTES = 1024
_AT_ONCE = 50_000
_MICROSECOND = timedelta(microseconds=1)
_HEADERS = to_json(
    {
        "host": "hooks.example.com",
        "user-agent": "Shop-Hooks/4.2 (+https://shop.example.com/hooks)",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "content-type": "application/json",
        "content-length": str(BODY_BYTES),
        "x-signature": "***",
        "x-event-id": "evt_0000000001",
    }
)
_VERIFICATION = to_json({"scheme": "hmac", "verified": True, "secret": "current"})

_SQLITE = {
    "numbers": "WITH RECURSIVE seq(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM seq WHERE n < :last) ",
    "seq": "seq",
    "id": "printf('%08x-%04x-7000-8000-%012x', ms >> 16, ms & 65535, n)",
    "run": "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4000-8000-' || hex(randomblob(6)))",
    "digest": "randomblob(32)",
    "body": "CAST({} AS BLOB)",
}
_POSTGRES = {
    "numbers": "",
    "seq": "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS seq(n)",
    "id": "lpad(to_hex(ms >> 16), 8, '0') || '-' || lpad(to_hex(ms & 65535), 4, '0') || '-7000-8000-'"
    " || lpad(to_hex(n), 12, '0')",
    "run": "gen_random_uuid()::text",
    "digest": "sha256(convert_to(n::text || random()::text, 'UTF8'))",
    "body": "convert_to({}, 'UTF8')",
}
_ENDED = {  # of a hundred in a row: up to this one, what became of them and why
    84: ("completed", None),
    88: ("failed", None),
    93: ("duplicate", "duplicate"),
    96: ("filtered", "filtered"),
    98: ("rejected", "signature_mismatch"),
    99: ("held", "unreadable"),
    100: ("dead", "handover_refused"),
}
_RAN = "n % 100 < 88"


@dataclass(frozen=True, kw_only=True)
class Seed:
    """So many deliveries with bodies of 1 KiB, of twenty webhooks, evenly over the days until `end`.

    With `queued` all of them wait for their hand-over; else they have ended as in a usual month: 84 of 100 completed,
    4 failed, the rest was refused, filtered, a duplicate, held or dead.
    """

    rows: int
    end: datetime
    queued: bool = False
    days: int = 30


def sow(url: str | None, home: Path, seed: Seed) -> None:
    """Put them into the inbox at `url` or (None) in `home`, which nobody has open. A million takes some minutes."""
    migrate(url, home)
    engine = writer_engine(find_address(url, home))
    words = _SQLITE if url is None else _POSTGRES
    try:
        for first in range(0, seed.rows, _AT_ONCE):
            with engine.begin() as connection:
                _sow(connection, words, seed, first, min(first + _AT_ONCE, seed.rows) - 1)
        _settle(engine, () if url is None else ("VACUUM ANALYZE", "CHECKPOINT"))
    finally:
        engine.dispose()


def _settle(engine: Engine, statements: Sequence[str]) -> None:
    """What a server does by itself after a while; SQLite writes its log back when the last connection closes."""
    with closing(engine.raw_connection()) as connection:
        driver = cast("Any", connection.driver_connection)
        for statement in statements:
            driver.autocommit = True
            driver.execute(statement)


def _sow(connection: Connection, words: dict[str, str], seed: Seed, first: int, last: int) -> None:
    step = timedelta(days=seed.days) / seed.rows // _MICROSECOND
    begin, _, end = body_of(BODY_BYTES).partition("4711")
    values = {
        "first": first,
        "last": last,
        "start": to_micros(seed.end) - seed.rows * step,
        "step": step,
        "headers": _HEADERS,
        "verification": _VERIFICATION,
        "begin": begin,
        "tail": end,
        "size": BODY_BYTES,
    }
    status, reason = ("'queued'", "NULL") if seed.queued else (_case(0), _case(1))
    given = f"{words['id']} AS id, 'shop-' || (n % {WEBHOOKS}) AS webhook"
    moments = f"(SELECT n, :start + n * :step AS at, (:start + n * :step) / 1000 AS ms FROM {words['seq']})"  # noqa: S608
    outcomes = f"{status} AS status, {reason} AS reason"
    rows = f"FROM (SELECT n, at, {given}, {outcomes} FROM {moments} AS moments) AS made"  # noqa: S608 (all of it is ours)
    body = words["body"].format("CAST(:begin AS text) || n || CAST(:tail AS text)")
    for table, columns, selected, which in _inserts(seed.queued, body, words):
        where = f" WHERE {which}" if which else ""
        # On SQLite the numbers stand before INSERT, which both of its forms allow.
        statement = f"{words['numbers']}INSERT INTO {table} ({columns}) SELECT {selected} {rows}{where}"
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        connection.execute(text(statement), used)


def _inserts(queued: bool, body: str, words: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """Of each table its columns, what goes into them, and for which deliveries."""
    tried = "" if queued else f"({_RAN} OR n % 100 = 99)"
    run = "NULL" if queued else f"CASE WHEN {_RAN} THEN {words['run']} END"
    took = "NULL, NULL, NULL" if queued else "at + 40000, at + 90000, at + 2000000"
    spent = "NULL, NULL, NULL" if queued else "40.0, 50.0, 1910.0"
    tables = [
        (
            "delivery",
            "id, webhook, revision, status, reason, detail, method, path, client_ip, content_type, body_size, "
            "event_id, id_conflict, attempt, response_status, receive_ms, received_at, updated_at",
            "id, webhook, 1, status, reason, '', 'POST', '/api/webhooks/' || webhook, '192.0.2.7', 'application/json', "
            f":size, 'evt_' || n, 0, {'1' if queued else f'CASE WHEN {tried} THEN 1 ELSE 0 END'}, 202, 1.5, at, at",
            "",
        ),
        (
            "payload",
            "delivery_id, headers, query, params, verification, notes, body",
            f"id, :headers, '{{}}', '{{}}', :verification, '{{}}', {body}",
            "",
        ),
        (
            "attempt",
            "delivery_id, number, webhook, status, deployment, deployment_id, flow_id, flow_run_id, tries, due_at, "
            "detail, created_at, handed_over_at, started_at, ended_at, queue_ms, start_ms, run_ms",
            f"id, 1, webhook, status, 'orders/main', NULL, NULL, {run}, {0 if queued else 1}, "
            f"{'at' if queued else 'NULL'}, '', at, {took}, {spent}",
            tried,
        ),
        (
            "ledger",
            "webhook, key, delivery_id, body_digest, expires_at",
            f"webhook, {words['digest']}, id, {words['digest']}, at + 345600000000",
            "status NOT IN ('duplicate', 'rejected')",
        ),
    ]
    moves = [] if queued else [("queued", "dispatched"), ("dispatched", "running"), ("running", "completed")]
    for before, after in moves:
        columns = "delivery_id, attempt, at, from_status, to_status, source, detail"
        to = f"'{after}'" if after != "completed" else "status"
        tables.append(("status_change", columns, f"id, 1, at, '{before}', {to}, 'event', ''", _RAN))
    return tables


def _case(position: int) -> str:
    values = [(until, ended[position]) for until, ended in _ENDED.items()]
    told = [f"WHEN n % 100 < {until} THEN {repr(value) if value else 'NULL'}" for until, value in values]
    return f"CASE {' '.join(told)} END"
