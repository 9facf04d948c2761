"""What tests need that run flows in their own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prefect.filesystems import LocalFileSystem
from prefect.settings import PREFECT_DEFAULT_RESULT_STORAGE_BLOCK, temporary_settings

from tests.support.prefect import PrefectServer


@pytest.fixture
async def runs_in_process(prefect_settings: PrefectServer, tmp_path: Path) -> AsyncIterator[PrefectServer]:
    """Flows may be called. Where no storage for results is named, Prefect asks its server at each run with a client
    that it never closes, and an unclosed socket is an error here."""
    await LocalFileSystem(basepath=str(tmp_path / "results")).asave("tests", overwrite=True)
    with temporary_settings(updates={PREFECT_DEFAULT_RESULT_STORAGE_BLOCK: "local-file-system/tests"}):
        yield prefect_settings
