"""The database under stress: kills, full disks, lost connections, cancelled callers, too much at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database, StoreUnavailable, StoreUnusable, writer
from receiver.storage.address import find_address
from receiver.webhooks.keys import KeyStore
from tests.support.inbox import NOW, new_delivery
from tests.support.postgres import TestPostgres

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    created: str = request.getfixturevalue("postgres").create_database()
    return created


@pytest.fixture
async def db(url: str | None, tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(url, tmp_path)
    await opened.write(lambda connection: connection.execute(text("CREATE TABLE note (name TEXT UNIQUE)")).close())
    yield opened
    await opened.close()


def note(connection: Connection, name: str) -> None:
    connection.execute(text("INSERT INTO note VALUES (:name)"), {"name": name})


def batch_of_notes(connection: Connection, names: Sequence[str]) -> list[None]:
    for name in names:
        note(connection, name)
    return [None] * len(names)


async def notes(db: Database) -> set[str]:
    return set(await db.read(lambda connection: connection.scalars(text("SELECT name FROM note")).all()))


class Held:
    """An operation that keeps the writer busy until it is let go, so that what follows waits together."""

    def __init__(self, db: Database) -> None:
        self.let_go = threading.Event()
        self.begun = threading.Event()
        self.task = asyncio.ensure_future(db.write(self._hold))

    def _hold(self, _: Connection) -> None:
        self.begun.set()
        assert self.let_go.wait(30)

    async def under_way(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


async def waiting(db: Database, count: int) -> list[asyncio.Task[None]]:
    """Tasks whose writes of `0`, `1`, ... are queued."""
    tasks = [asyncio.create_task(db.write(lambda c, n=str(n): note(c, n))) for n in range(count)]  # type: ignore[misc]  # a default in a lambda
    await asyncio.sleep(0)  # each runs up to its first wait
    return tasks


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_was_accepted_survives_a_kill(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = [] if kind == "sqlite" else [request.getfixturevalue("postgres").create_database()]
    command = [sys.executable, "-m", "tests.integration.accept_loop", str(tmp_path), *url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        ids = [process.stdout.readline().strip() for _ in range(300)]
    finally:
        process.kill()
    ids += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    assert all(len(delivery_id) == 36 for delivery_id in ids)
    db = Database.open(url[0] if url else None, tmp_path)
    store = DeliveryStore(db)
    found = [await store.get(delivery_id) for delivery_id in ids]
    whole = [record is not None and len(record.attempts) == 1 for record in found]
    await db.close()
    assert all(whole) and len(whole) >= 300


async def test_a_second_process_is_told_what_to_do(tmp_path: Path) -> None:
    db = Database.open(None, tmp_path)
    with pytest.raises(StoreUnusable, match="WEBHOOKS_DATABASE_URL to a PostgreSQL"):
        Database.open(None, tmp_path)
    script = (
        "import sys, pathlib; from receiver.storage import Database; Database.open(None, pathlib.Path(sys.argv[1]))"
    )
    other = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "another receiver has" in other.stderr
    await db.close()
    await Database.open(None, tmp_path).close()


async def test_several_processes_share_postgresql(postgres: TestPostgres, tmp_path: Path) -> None:
    url = postgres.create_database()
    one, two = Database.open(url, tmp_path), Database.open(url, tmp_path)
    assert one.instance_token == two.instance_token
    await one.close()
    await two.close()


async def test_a_disk_that_is_full_is_unavailable_and_heals(tmp_path: Path) -> None:
    script = [sys.executable, "-m", "tests.integration.full_disk", str(tmp_path)]
    ended = subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)
    assert ended.stdout.splitlines() == ["unavailable", "whole", "0 too many"], ended.stderr


async def test_a_database_that_may_not_grow_is_unavailable_and_heals(tmp_path: Path) -> None:
    db = Database.open(None, tmp_path)
    store = DeliveryStore(db)
    pages = await db.read(lambda connection: connection.execute(text("PRAGMA page_count")).scalar_one())
    # The limit is the connection's own: the next one, opened after the failure, is without it.
    await db.write(lambda connection: connection.execute(text(f"PRAGMA max_page_count={pages}")).close())
    with pytest.raises(StoreUnavailable, match="full"):
        await store.accept(new_delivery(body=b"x" * 100_000), NOW)
    await store.accept(new_delivery(body=b"x" * 100_000), NOW)
    assert (await store.stats("orders"))["total"] == 1
    await db.close()


async def test_a_file_that_another_program_locks_is_unavailable_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.storage.connections._BUSY_SECONDS", 0.1)
    db = Database.open(None, tmp_path)
    other = create_engine(find_address(None, tmp_path).url)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await DeliveryStore(db).accept(new_delivery(), NOW)
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()
    await DeliveryStore(db).accept(new_delivery(), NOW)
    await db.close()


async def test_a_connection_that_died_while_idle_is_replaced_unnoticed(postgres: TestPostgres, tmp_path: Path) -> None:
    db = Database.open(postgres.create_database(), tmp_path)
    backend = text("SELECT pg_backend_pid()")
    mine = await db.write(lambda connection: connection.execute(backend).scalar_one())
    reading = await db.read(lambda connection: connection.execute(backend).scalar_one())
    other = create_engine(db.address.url)
    with other.connect() as connection:
        for each in (mine, reading):
            assert connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": each}).scalar_one()
    other.dispose()
    store = DeliveryStore(db)
    await store.accept(new := new_delivery(), NOW)
    assert await store.get(new.id) is not None
    await db.close()


async def test_a_connection_that_dies_in_a_transaction_is_unavailable_and_heals(
    postgres: TestPostgres, tmp_path: Path
) -> None:
    db = Database.open(postgres.create_database(), tmp_path)
    with pytest.raises(StoreUnavailable):
        await db.write(lambda c: c.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")).scalar_one())
    store = DeliveryStore(db)
    await store.accept(new := new_delivery(), NOW)
    assert await store.get(new.id) is not None
    await db.close()


async def test_an_acknowledgement_waits_for_the_disk_whatever_the_server_is_set_to(
    url: str | None, tmp_path: Path
) -> None:
    if url is not None:
        engine = create_engine(find_address(url, tmp_path).url)
        with engine.begin() as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
        engine.dispose()
    db = Database.open(url, tmp_path)
    ask = text("PRAGMA synchronous" if url is None else "SHOW synchronous_commit")
    assert await db.write(lambda connection: connection.execute(ask).scalar_one()) == (2 if url is None else "on")
    await db.close()


async def test_what_waits_together_is_written_as_one_batch(db: Database) -> None:
    held, sizes = Held(db), []
    await held.under_way()

    def handler(_: Connection, items: list[int]) -> list[int]:
        sizes.append(len(items))
        return [item * 2 for item in items]

    tasks = [asyncio.create_task(db.write_batched(handler, number)) for number in range(50)]
    await asyncio.sleep(0)
    held.let_go.set()
    assert await asyncio.gather(*tasks) == [number * 2 for number in range(50)]
    assert sizes == [50]
    await held.task


async def test_receivers_whose_operations_wait_for_each_other_both_get_their_way(
    postgres: TestPostgres, tmp_path: Path
) -> None:
    """The database ends one of two transactions that lock the same rows in another order; that one is done again."""
    address = postgres.create_database()
    one, other = Database.open(address, tmp_path), Database.open(address, tmp_path)
    await one.write(lambda connection: connection.execute(text("CREATE TABLE seat (name TEXT, sat TEXT)")).close())
    await one.write(lambda connection: connection.execute(text("INSERT INTO seat VALUES ('a', ''), ('b', '')")).close())
    both_have_one = threading.Barrier(2)
    tries: list[str] = []

    def sit(who: str, first: str, second: str) -> Callable[[Connection], None]:
        def take(connection: Connection) -> None:
            tries.append(who)
            for seat in (first, second):
                taken = text("UPDATE seat SET sat = sat || :who WHERE name = :seat")
                connection.execute(taken, {"who": who, "seat": seat})
                if seat == first and tries.count(who) == 1:
                    both_have_one.wait(30)

        return take

    await asyncio.gather(one.write(sit("x", "a", "b")), other.write(sit("y", "b", "a")))
    sat = await one.read(lambda connection: connection.scalars(text("SELECT sat FROM seat")).all())
    assert [sorted(each) for each in sat] == [["x", "y"], ["x", "y"]]
    assert len(tries) > 2
    await asyncio.gather(one.close(), other.close())


async def test_receivers_that_start_at_the_same_moment_take_the_same_key_from_their_settings(
    postgres: TestPostgres, tmp_path: Path
) -> None:
    address = postgres.create_database()
    one, other = Database.open(address, tmp_path), Database.open(address, tmp_path)
    for number in range(30):
        key = (f"settings-{number}", "admin", f"whk_{number:040}", NOW)
        taken = await asyncio.gather(*(KeyStore(each).adopt(*key) for each in (one, other)))
        assert taken[0].id == taken[1].id
    await asyncio.gather(one.close(), other.close())


async def test_where_others_write_too_what_is_accepted_does_not_share_the_commit_of_what_may_have_to_wait(
    postgres: TestPostgres, tmp_path: Path
) -> None:
    db = Database.open(postgres.create_database(), tmp_path)
    await db.write(lambda connection: connection.execute(text("CREATE TABLE note (name TEXT UNIQUE)")).close())
    held, later = Held(db), threading.Event()
    await asyncio.to_thread(held.begun.wait, 30)
    slow = asyncio.ensure_future(db.write(lambda _: later.wait(30)))
    accepted = asyncio.ensure_future(db.write_batched(batch_of_notes, "accepted"))
    held.let_go.set()
    await asyncio.wait_for(accepted, 30)
    assert not slow.done()
    later.set()
    assert await slow
    await held.task
    await db.close()


async def test_an_operation_that_raises_fails_alone_and_leaves_nothing(db: Database) -> None:
    held = Held(db)
    await held.under_way()

    def wrong(connection: Connection) -> None:
        note(connection, "wrong")
        raise KeyError("of mine")

    good = await waiting(db, 3)
    bad = [asyncio.create_task(db.write(wrong)), asyncio.create_task(db.write(lambda c: note(c, "0")))]
    await asyncio.sleep(0)
    held.let_go.set()
    await asyncio.gather(held.task, *good)
    with pytest.raises(KeyError, match="of mine"):
        await bad[0]
    with pytest.raises(Exception, match=r"(?i)unique"):
        await bad[1]
    assert await notes(db) == {"0", "1", "2"}


async def test_a_caller_that_is_cancelled_disturbs_nobody(db: Database) -> None:
    held = Held(db)
    await held.under_way()
    tasks = await waiting(db, 6)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.sleep(0)
    held.let_go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False] * 3
    await held.task
    assert await notes(db) >= {"1", "3", "5"}


async def test_more_than_may_wait_is_refused_at_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 4)
    held = Held(db)
    await held.under_way()
    tasks = await waiting(db, 6)
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 3
    for task in refused:
        with pytest.raises(StoreUnavailable, match="too much"):
            await task
    held.let_go.set()
    await asyncio.gather(held.task, *tasks[:3])
    assert await notes(db) == {"0", "1", "2"}
    await db.write(lambda connection: note(connection, "after"))


async def test_bodies_that_wait_are_bounded_by_their_size_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 100_000)
    held, store = Held(db), DeliveryStore(db)
    await held.under_way()
    tasks = [asyncio.create_task(store.accept(new_delivery(body=b"x" * 40_000), NOW)) for _ in range(4)]
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [False, False, True, True]
    held.let_go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, StoreUnavailable) for outcome in outcomes] == [False, False, True, True]
    await held.task
    # One that is over the bound alone is taken when nothing else waits.
    await store.accept(new_delivery(body=b"x" * 200_000), NOW)


async def test_closing_commits_what_was_taken_and_takes_no_more(url: str | None, tmp_path: Path) -> None:
    db = Database.open(url, tmp_path)
    store = DeliveryStore(db)
    news = [new_delivery() for _ in range(200)]
    tasks = [asyncio.create_task(store.accept(new, NOW)) for new in news]
    await asyncio.sleep(0)
    await db.close()
    assert [stored.id for stored in await asyncio.gather(*tasks)] == [new.id for new in news]
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.accept(new_delivery(), NOW)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.get(news[0].id)
    await db.close()
    again = Database.open(url, tmp_path)
    assert (await DeliveryStore(again).stats("orders"))["total"] == 200
    await again.close()


async def test_another_event_loop_may_use_it_too(db: Database) -> None:
    def elsewhere() -> set[str]:
        async def use() -> set[str]:
            await asyncio.gather(*(db.write(lambda c, n=str(n): note(c, n)) for n in range(5)))  # type: ignore[misc]  # a default in a lambda
            return await notes(db)

        return asyncio.run(use())

    mine, theirs = await asyncio.gather(waiting(db, 0), asyncio.to_thread(elsewhere))
    assert (mine, theirs) == ([], {"0", "1", "2", "3", "4"})


async def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        await db.read(lambda connection: note(connection, "x"))
    assert await notes(db) == set()
