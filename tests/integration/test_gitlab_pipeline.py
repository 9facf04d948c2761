"""GitLab's pipelines through the whole workflow: what is stored, and when people are told."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from flows.gitlab_pipeline import BRANCHES, PIPELINES, gitlab_pipeline
from flows.nodes import query_records
from receiver import Context

PAYLOADS = Path(__file__).parents[1] / "payloads" / "gitlab"


async def told(name: str, **attributes: Any) -> str | None:
    """What people are told of this event."""
    data = json.loads((PAYLOADS / f"pipeline__{name}.json").read_text(encoding="utf-8"))
    data["object_attributes"].update(attributes)
    result = await gitlab_pipeline(Context.from_document({"data": data, "headers": {}}))
    return str(result["told"]) if result["told"] else None


def mails(home: Path) -> dict[str, str]:
    """Text by subject."""
    found = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in (home / "mail").glob("*.eml")]
    return {str(mail["Subject"]): str(mail.get_content()) for mail in found}


async def test_people_hear_once_that_the_branch_broke_and_once_that_it_is_mended_whatever_comes_late(
    default_records: Path,
):
    broken, fixed = "lantern-works/site: main is broken", "lantern-works/site: main is fixed"

    assert [await told("main-running"), await told("main-failed")] == [None, "broken"]
    assert [await told("main-failed"), await told("main-running")] == [None, None]
    assert [stored["status"] for stored in await query_records.fn(PIPELINES)] == ["failed"]
    assert list(mails(default_records)) == [broken]
    assert "* failed: unit (stage test)" in mails(default_records)[broken]

    assert [await told("main-fixed"), await told("main-fixed")] == ["fixed", None]
    assert await told("main-failed", status="success", finished_at="2026-03-01 08:30:00 UTC") is None, "an older one"
    assert await told("main-failed", id=4133, ref="new-lamps") is None
    assert set(mails(default_records)) == {broken, fixed}
    assert {(row["pipeline_id"], row["status"]) for row in await query_records.fn(PIPELINES)} == {
        (4131, "success"),
        (4132, "success"),
        (4133, "failed"),
    }
    [branch] = await query_records.fn(BRANCHES)
    assert (branch["ref"], branch["pipeline_id"], branch["status"]) == ("main", 4132, "success")
