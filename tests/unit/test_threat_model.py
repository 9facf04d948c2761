"""The threat model points at tests: each attack names one, and it is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.markdown import DOCUMENTS, ROOT, tables


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tests_that_are_named_exist(path: Path):
    for file, name in re.findall(r"`(tests/[\w./-]+\.py)::(\w+)`", path.read_text()):
        source = (ROOT / file).read_text()
        assert re.search(rf"^(?:async )?def {name}\(", source, re.MULTILINE), f"{path.name}: {file}::{name}"


def test_each_attack_names_the_test_that_shows_what_it_meets():
    attacks = [row for header, rows in tables(ROOT / "docs" / "threat-model.md") if "Attack" in header for row in rows]
    assert len(attacks) > 30
    for _, meets, shown in attacks:
        assert meets and re.fullmatch(r"`tests/[\w./-]+\.py::test_\w+`", shown), shown
