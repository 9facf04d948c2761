"""Every block keeps the same rules, and its example runs."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client

import blocks
from blocks import (
    AppriseChannel,
    ChatRobot,
    HttpService,
    RecordsDatabase,
    Smtp,
    WebhookSecret,
    WebhooksReceiver,
    connections,
    lookup,
)
from blocks.bootstrap import BLOCK_TYPES, main, make_example_secrets, register_block_types, write_receiver_block
from blocks.errors import NotConfigured
from tests.support.prefect import PrefectServer

KINDS = [pytest.param(kind, id=kind.__name__) for kind in BLOCK_TYPES]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    lookup.forget()


def test_every_block_in_the_folder_is_registered():
    folder = Path(blocks.__file__).parent
    declared = set()
    for path in folder.glob("*.py"):
        declared |= set(re.findall(r"^class (\w+)\(Block\)", path.read_text(encoding="utf-8"), re.MULTILINE))

    assert declared == {kind.__name__ for kind in BLOCK_TYPES} == set(blocks.__all__)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_described(kind: type[Block]):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.get_block_type_slug())
    assert kind.__dict__["_block_type_name"]
    assert (kind.get_description() or "").endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_in_a_sentence(kind: type[Block]):
    for name, field in kind.model_fields.items():
        assert field.description, f"{kind.__name__}.{name} has no description"
        assert field.description[0].isupper() and field.description.endswith("."), f"{kind.__name__}.{name}"


@pytest.mark.parametrize("kind", KINDS)
async def test_its_example_runs(
    kind: type[Block], prefect_settings: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    await register_block_types()
    code = compiled(kind)

    assert code.co_flags & inspect.CO_COROUTINE, "the example awaits"
    await FunctionType(code, {"__name__": "example"})()
    await connections.close()


def compiled(kind: type[Block]) -> CodeType:
    """The example of the class's docstring, which may `await` as a notebook may."""
    found = re.search(r"```python\n(.*?)```", kind.get_code_example() or "", re.DOTALL)
    assert found, f"{kind.__name__} has no example"
    code = compile(textwrap.dedent(found[1]), kind.__name__, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    return code


async def raw_document(name: str, slug: str) -> dict[str, Any]:
    async with get_client() as client:
        return dict((await client.read_block_document_by_name(name, slug, include_secrets=False)).data)


async def test_prefects_api_hides_every_secret_unless_it_is_asked_for_them(prefect_settings: PrefectServer):
    await WebhookSecret(current="n3w", previous=["0ld"]).asave("hidden", overwrite=True)
    await RecordsDatabase(url="postgresql://u:s3cret@host/db").asave("hidden", overwrite=True)
    await AppriseChannel(url="json://bot:s3cret@example.com").asave("hidden", overwrite=True)
    await ChatRobot(platform="wecom", url="https://example.com/?key=s3cret").asave("hidden", overwrite=True)
    await HttpService(
        base_url="https://example.com", auth="bearer", secret="s3cret", signing_secret="s3cret", headers={"X": "s3cret"}
    ).asave("hidden", overwrite=True)
    await Smtp(host="mail.example.com", password="s3cret").asave("hidden", overwrite=True)
    await WebhooksReceiver(url="http://127.0.0.1:8000", key="s3cret").asave("hidden", overwrite=True)

    for kind in BLOCK_TYPES:
        shown = str(await raw_document("hidden", kind.get_block_type_slug()))
        assert not re.search("n3w|0ld|s3cret", shown), shown
    loaded = await lookup.get(WebhookSecret, "hidden")
    assert [secret.get_secret_value() for secret in (loaded.current, *loaded.previous)] == ["n3w", "0ld"]


async def test_example_secrets_are_random_made_once_and_never_overwritten(prefect_settings: PrefectServer):
    assert await make_example_secrets(["first", "second"]) == ["first", "second"]
    before = (await lookup.get(WebhookSecret, "first")).current.get_secret_value()

    assert await make_example_secrets(["first", "second", "third"]) == ["third"]

    assert (await lookup.get(WebhookSecret, "first")).current.get_secret_value() == before
    assert len(before) >= 40
    assert before != (await lookup.get(WebhookSecret, "second")).current.get_secret_value()


async def test_the_receivers_address_is_replaced(prefect_settings: PrefectServer):
    await write_receiver_block("http://127.0.0.1:1/", "one", name="replaced")
    await write_receiver_block("http://127.0.0.1:2/", "two", name="replaced")

    receiver = await lookup.get(WebhooksReceiver, "replaced")
    assert (receiver.url, receiver.key.get_secret_value()) == ("http://127.0.0.1:2", "two")


async def test_a_block_nobody_saved_is_named_with_the_way_to_save_it(prefect_settings: PrefectServer):
    with pytest.raises(NotConfigured, match=r"no block smtp/missing: .*Smtp\(\.\.\.\)\.save\('missing'\)"):
        await Smtp.named("missing")


async def test_without_a_saved_block_records_and_mail_stay_in_the_folder_of_state(
    prefect_settings: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))

    assert (await RecordsDatabase.named()).url.get_secret_value() == f"sqlite:///{tmp_path}/records.db"
    assert (await Smtp.named()).directory == str(tmp_path / "mail")


def test_bootstrap_wants_a_server_and_the_key_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        main([])
    assert "PREFECT_API_URL is not set" in capsys.readouterr().err
    monkeypatch.delenv("WEBHOOKS_RECEIVER_KEY", raising=False)
    with pytest.raises(SystemExit):
        main(["--receiver-url", "http://127.0.0.1:8000"])
    assert "WEBHOOKS_RECEIVER_KEY is not set" in capsys.readouterr().err
