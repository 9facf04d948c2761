"""The last good secrets outlive a restart while Prefect is down: encrypted, and for a week."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path

import pytest

from receiver.ingress import vault
from receiver.ingress.last_good import LastGood
from receiver.ingress.vault import SecretUnavailable, Vault
from receiver.ingress.verify.base import Secrets
from tests.unit.ingress.test_vault import Blocks

CRM, ERP = "block:webhook-secret/crm", "block:secret/erp"


@pytest.fixture
def blocks() -> Blocks:
    blocks = Blocks()
    blocks.documents["webhook-secret", "crm"] = {"current": "s3cr3t-new", "previous": ["s3cr3t-old"]}
    blocks.documents["secret", "erp"] = {"value": "s3cr3t-erp"}
    return blocks


def restarted(blocks: Blocks, home: Path) -> Vault:
    """The vault of a receiver that has just started."""
    return Vault(blocks, last_good=LastGood(home))


async def test_the_last_good_secrets_survive_a_restart_while_prefect_is_down(blocks: Blocks, tmp_path: Path):
    home = tmp_path / "home"
    before = restarted(blocks, home)
    await asyncio.gather(before.resolve(CRM), before.resolve(ERP))
    blocks.down = True
    after = restarted(blocks, home)
    assert (await after.resolve(CRM)).usable() == [("current", "s3cr3t-new"), ("previous-1", "s3cr3t-old")]
    assert (await after.resolve(ERP)).current == "s3cr3t-erp"
    with pytest.raises(SecretUnavailable):
        await after.resolve("block:secret/never-read")


async def test_they_are_encrypted_and_for_their_owner_alone(blocks: Blocks, tmp_path: Path):
    await restarted(blocks, tmp_path).resolve(CRM)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["secrets.key", "secrets.last"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert b"s3cr3t" not in file.read_bytes() and b"crm" not in file.read_bytes()


async def test_what_changes_or_is_taken_away_is_so_on_disk_too(
    blocks: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vault, "_FRESH_SECONDS", -1)
    monkeypatch.setattr(vault, "_OLD_SECONDS", -1)
    running = restarted(blocks, tmp_path)
    await asyncio.gather(running.resolve(CRM), running.resolve(ERP))
    blocks.documents["webhook-secret", "crm"] = {"current": "another"}
    del blocks.documents["secret", "erp"]
    assert (await running.resolve(CRM)).current == "another"
    with pytest.raises(SecretUnavailable):
        await running.resolve(ERP)
    blocks.down = True
    after = restarted(blocks, tmp_path)
    assert (await after.resolve(CRM)).usable() == [("current", "another")]
    with pytest.raises(SecretUnavailable):
        await after.resolve(ERP)


async def test_prefect_s_word_counts_as_soon_as_it_is_back(
    blocks: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await restarted(blocks, tmp_path).resolve(CRM)
    monkeypatch.setattr(vault, "_FRESH_SECONDS", -1)
    monkeypatch.setattr(vault, "_OLD_SECONDS", -1)
    blocks.down = True
    after = restarted(blocks, tmp_path)
    assert (await after.resolve(CRM)).current == "s3cr3t-new"
    blocks.down = False
    del blocks.documents["webhook-secret", "crm"]
    with pytest.raises(SecretUnavailable):
        await after.resolve(CRM)


async def test_after_a_week_they_are_good_no_longer(blocks: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await restarted(blocks, tmp_path).resolve(CRM)
    blocks.down = True
    for days, good in ((6.9, True), (7.1, False), (-1, False)):
        later = time.time() + days * 86400
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda later=later: later)
            assert (await LastGood(tmp_path).get(CRM) is not None) == good


@pytest.mark.parametrize("name", ["secrets.key", "secrets.last"])
@pytest.mark.parametrize("content", [b"", b"damaged", b"A" * 44])
async def test_a_damaged_file_is_written_anew(
    blocks: Blocks, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes
):
    await restarted(blocks, tmp_path).resolve(CRM)
    (tmp_path / name).write_bytes(content)
    (tmp_path / "secrets.key").chmod(0o644)
    await restarted(blocks, tmp_path).resolve(CRM)
    assert "written anew" in caplog.text and "s3cr3t" not in caplog.text
    blocks.down = True
    assert (await restarted(blocks, tmp_path).resolve(CRM)).current == "s3cr3t-new"
    assert stat.S_IMODE((tmp_path / "secrets.key").stat().st_mode) == 0o600


async def test_a_home_that_cannot_be_written_costs_no_request(
    blocks: Blocks, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("no folder")
    assert (await restarted(blocks, tmp_path / "file" / "home").resolve(CRM)).current == "s3cr3t-new"
    assert "cannot be kept" in caplog.text


async def test_many_changes_at_once_are_all_kept(tmp_path: Path):
    keeping = LastGood(tmp_path)
    await asyncio.gather(*(keeping.keep(f"block:secret/{number}", Secrets(str(number))) for number in range(50)))
    found = [await LastGood(tmp_path).get(f"block:secret/{number}") for number in range(0, 50, 7)]
    assert [each.current for each in found if each] == [str(number) for number in range(0, 50, 7)]
