"""The examples of docs/nodes.md, run as they stand inside a flow, on a real Prefect server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from blocks import RecordsDatabase, Smtp, connections, lookup
from blocks.bootstrap import register_block_types
from flows.deploy_site import deploy_site
from receiver import Context
from tests.support.http_server import Answer, HttpServer
from tests.support.markdown import ROOT, Block, blocks

pytestmark = pytest.mark.usefixtures("runs_in_process")

NODES = ROOT / "docs" / "nodes.md"
ADDRESS = "http://127.0.0.1:9000"
"""Where the document's example of `http_request` calls; the test's own server is elsewhere."""


@pytest.fixture(autouse=True)
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    yield tmp_path
    await connections.close()


async def run(block: Block, namespace: dict[str, Any]) -> None:
    """As a notebook runs a cell: what it defines stays for the next one."""
    await FunctionType(block.compiled(), namespace)()


@flow
async def in_order(examples: list[Block], namespace: dict[str, Any]) -> None:
    for block in examples:
        awaits = block.compiled().co_flags & 0x80
        assert awaits, f"{block.place} awaits nothing"
        await run(block, namespace)


async def test_every_example_of_a_node_runs_in_a_flow(home: Path):
    async with get_client() as client:
        await client.create_deployment(await client.create_flow(deploy_site), "deploy-site")
    async with HttpServer() as server:
        server.answers = [
            Answer(201, '{"id": 7}', {"Content-Type": "application/json"}),
            Answer(200, '{"results": [{"id": 1}], "paging": {"next": {"after": "1"}}}'),
            Answer(200, '{"results": [{"id": 2}]}'),
        ]
        context = Context.from_document({"data": {"amount": 120, "country": "UA"}})
        examples = [
            Block(**{**vars(block), "text": block.text.replace(ADDRESS, server.url)})
            for block in blocks(NODES, "python", "node")
        ]
        await in_order.with_options(validate_parameters=False)(examples, {"context": context})
        assert [request.target for request in server.requests] == ["/contacts", "/deals", "/deals?after=1"]
    assert len(list((home / "mail").glob("*.eml"))) == 2
    assert (home / "records.db").is_file()


async def test_the_example_of_the_blocks_saves_them():
    await register_block_types()
    for example in blocks(NODES, "python", "block"):
        await run(example, {})
    assert (await RecordsDatabase.named("crm")).url.get_secret_value().endswith("/crm")
    assert (await Smtp.named("newsletter")).host == "mail.example.com"
