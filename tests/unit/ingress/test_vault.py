from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from receiver.ingress.vault import SecretUnavailable, Vault
from receiver.prefect_gateway import PrefectUnavailable


class Blocks:
    """Prefect's blocks, as far as a vault sees them."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.down = False
        self.reads = 0

    async def read_block(self, block_type: str, name: str) -> dict[str, Any] | None:
        self.reads += 1
        if self.down:
            raise PrefectUnavailable("down")
        return self.documents.get((block_type, name))

    async def write_block(self, block_type: str, name: str, data: dict[str, Any]) -> None:
        self.documents[block_type, name] = data


async def test_a_block_gives_its_current_and_previous_values():
    blocks = Blocks()
    blocks.documents["webhook-secret", "crm"] = {"current": "new", "previous": ["old"]}
    secrets = await Vault(blocks).resolve("block:webhook-secret/crm")
    assert secrets.usable() == [("current", "new"), ("previous-1", "old")]


async def test_a_value_is_remembered_between_requests():
    blocks = Blocks()
    blocks.documents["secret", "crm"] = {"value": "s"}
    vault = Vault(blocks)
    for _ in range(5):
        await vault.resolve("block:secret/crm")
    assert blocks.reads == 1


async def test_the_last_good_value_outlives_prefect(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("receiver.ingress.vault._FRESH_SECONDS", -1)
    blocks = Blocks()
    blocks.documents["secret", "crm"] = {"value": "s"}
    vault = Vault(blocks)
    await vault.resolve("block:secret/crm")
    blocks.down = True
    for _ in range(3):
        assert (await vault.resolve("block:secret/crm")).current == "s"


async def test_what_never_resolved_is_unavailable_while_prefect_is_down():
    blocks = Blocks()
    blocks.down = True
    with pytest.raises(SecretUnavailable):
        await Vault(blocks).resolve("block:secret/crm")


@pytest.mark.parametrize("document", [None, {"current": ""}, {"current": 5}, {}])
async def test_an_empty_or_missing_block_is_a_closed_door(document: dict[str, Any] | None):
    blocks = Blocks()
    if document is not None:
        blocks.documents["webhook-secret", "crm"] = document
    with pytest.raises(SecretUnavailable, match="webhook-secret/crm"):
        await Vault(blocks).resolve("block:webhook-secret/crm")


async def test_storing_a_secret_keeps_the_one_before_so_that_nobody_is_refused():
    vault = Vault(blocks := Blocks())
    assert await vault.store("crm", "first") == "block:webhook-secret/crm"
    await vault.store("crm", "second")
    assert blocks.documents["webhook-secret", "crm"] == {"current": "second", "previous": ["first"]}


async def test_files_are_read_below_the_secrets_folder_only(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "crm").write_text("s3cret\n")
    (tmp_path / "outside").write_text("no")
    vault = Vault(Blocks(), secrets_dir=tmp_path / "in")
    assert (await vault.resolve("file:crm")).current == "s3cret"
    for escape in ("file:../outside", f"file:{tmp_path}/outside", "file:nothing"):
        with pytest.raises(SecretUnavailable):
            await vault.resolve(escape)


async def test_an_unforeseen_failure_is_unavailable_too_and_the_last_good_value_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("receiver.ingress.vault._FRESH_SECONDS", -1)
    monkeypatch.setattr("receiver.ingress.vault._RETRY_SECONDS", -1)

    class Odd(Blocks):
        async def read_block(self, block_type: str, name: str) -> dict[str, Any] | None:
            if self.down:
                raise TypeError("an answer of another Prefect, with a value in it")
            return await super().read_block(block_type, name)

    blocks = Odd()
    blocks.documents["secret", "crm"] = {"value": "s"}
    vault = Vault(blocks)
    await vault.resolve("block:secret/crm")
    blocks.down = True
    for _ in range(3):
        assert (await vault.resolve("block:secret/crm")).current == "s"
    with pytest.raises(SecretUnavailable) as unavailable:
        await vault.resolve("block:secret/other")
    assert "TypeError" in str(unavailable.value) and "value in it" not in str(unavailable.value)


async def test_a_secret_that_was_replaced_while_its_webhook_was_idle_is_not_used_once_more(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("receiver.ingress.vault._FRESH_SECONDS", -1)
    monkeypatch.setattr("receiver.ingress.vault._OLD_SECONDS", -1)
    blocks = Blocks()
    blocks.documents["secret", "crm"] = {"value": "withdrawn"}
    vault = Vault(blocks)
    await vault.resolve("block:secret/crm")
    blocks.documents["secret", "crm"] = {"value": "new"}
    assert (await vault.resolve("block:secret/crm")).current == "new"
    del blocks.documents["secret", "crm"]
    with pytest.raises(SecretUnavailable):
        await vault.resolve("block:secret/crm")


async def test_a_prefect_that_hangs_holds_nobody_up_who_has_a_last_good_value(monkeypatch: pytest.MonkeyPatch):
    for name, seconds in {"FRESH": -1.0, "OLD": -1.0, "PATIENCE": 0.001}.items():
        monkeypatch.setattr(f"receiver.ingress.vault._{name}_SECONDS", seconds)
    answers = asyncio.Event()

    class Hanging(Blocks):
        async def read_block(self, block_type: str, name: str) -> dict[str, Any] | None:
            if self.down:
                await answers.wait()
            return await super().read_block(block_type, name)

    blocks = Hanging()
    blocks.documents["secret", "crm"] = {"value": "s"}
    vault = Vault(blocks)
    await vault.resolve("block:secret/crm")
    blocks.down = True
    assert (await vault.resolve("block:secret/crm")).current == "s"
    blocks.down = False
    answers.set()
