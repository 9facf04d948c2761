"""GitLab's pipelines, read: which event is newer, what they say of a branch, and what people are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.gitlab_pipeline import gitlab_pipeline
from flows.gitlab_pipeline_event import Pipeline, change_of, comes_late, headline, read_pipeline, summary
from receiver.contract.definition import get_definition
from receiver.ingress.filter import compile_filter

PAYLOADS = Path(__file__).parents[2] / "payloads" / "gitlab"


def payload(name: str, **attributes: Any) -> dict[str, Any]:
    data = json.loads((PAYLOADS / f"pipeline__{name}.json").read_text(encoding="utf-8"))
    data["object_attributes"].update(attributes)
    return dict(data)


def pipeline(name: str, **attributes: Any) -> Pipeline:
    return read_pipeline(payload(name, **attributes))


def test_an_event_is_as_new_as_the_latest_time_in_it_and_at_the_same_moment_as_its_state():
    running, failed, later = pipeline("main-running"), pipeline("main-failed"), pipeline("main-fixed")
    assert running.version < failed.version < later.version

    data = payload("main-failed", status="pending", finished_at=None)
    assert read_pipeline(data).version < failed.version, "it waits: what it mentions is older than the end"
    data["builds"].append({**data["builds"][1], "status": "pending", "created_at": "2026-03-01T10:03:06+02:00"})
    assert read_pipeline(data).version > failed.version, "a job is run again"

    bare: dict[str, Any] = {"created_at": "2026-03-01 08:00:00 UTC", "finished_at": None}
    states = [
        read_pipeline({**payload("main-running", status=it, **bare), "builds": []}) for it in ("running", "failed")
    ]
    assert states[0].version < states[1].version


@pytest.mark.parametrize(
    ("attributes", "judges"),
    [
        ({}, True),
        ({"status": "success"}, True),
        ({"status": "running"}, False),
        ({"status": "canceled"}, False),
        ({"ref": "new-lamps"}, False),
        ({"tag": True}, False),
        ({"source": "merge_request_event"}, False),
        ({"source": "parent_pipeline"}, False),
        ({"source": "schedule"}, True),
    ],
)
def test_the_default_branch_is_judged_by_whole_pipelines_of_its_own_that_have_ended(attributes, judges):
    assert pipeline("main-failed", **attributes).judges_the_default_branch is judges


def test_people_are_told_of_a_change_alone():
    failed, fixed = pipeline("main-failed"), pipeline("main-fixed")
    assert change_of(failed, None) == "broken"
    assert change_of(fixed, None) is None
    assert change_of(failed, failed.branch_row()) is None
    assert change_of(fixed, failed.branch_row()) == "fixed"
    assert change_of(fixed, fixed.branch_row()) is None


def test_a_pipeline_comes_late_when_a_newer_one_of_the_branch_has_ended():
    failed, fixed = pipeline("main-failed"), pipeline("main-fixed")
    again = pipeline("main-failed", status="success", finished_at="2026-03-01 09:00:00 UTC")
    assert comes_late(failed, fixed.branch_row())
    assert comes_late(again, fixed.branch_row()), "an older one that is run again does not mend the branch"
    assert comes_late(failed, again.branch_row())
    assert not comes_late(again, failed.branch_row()) and not comes_late(failed, failed.branch_row())
    assert not comes_late(failed, None)


def test_people_read_what_failed_by_whom_and_where():
    failed = pipeline("main-failed")
    assert headline(failed, "broken") == "lantern-works/site: main is broken"
    assert summary(failed, "broken").splitlines() == [
        "Pipeline 4131 of main in lantern-works/site failed.",
        "",
        "Commit 5c0d3a9e: Показати нові лампи (Oksana Marchenko)",
        "* failed: unit (stage test)",
        "",
        "https://gitlab.example.com/lantern-works/site/-/pipelines/4131",
    ]
    assert summary(pipeline("main-fixed"), "fixed").startswith("Pipeline 4132 of main in lantern-works/site succeeded")


def test_long_lists_are_cut_and_names_stay_on_their_line():
    data = payload("main-failed", url=None)
    data["builds"] = [{**data["builds"][1], "name": f"job\n{number}\0"} for number in range(25)]
    data["commit"] = None
    text = summary(read_pipeline(data), "broken")
    assert "* failed: job 19 (stage test)\n* and 5 more\n" in text
    assert "(no message) (somebody)" in text and "/-/pipelines/4131" in text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "the body: "),
        ({"object_kind": "push"}, "object_kind: Input should be 'pipeline'"),
        ({"object_kind": "pipeline"}, "object_attributes: Field required"),
        ({**payload("main-failed"), "project": {}}, "project.path_with_namespace: Field required"),
        (payload("main-failed", created_at="yesterday"), "object_attributes.created_at: "),
        (payload("main-failed", id="s3cret"), "object_attributes.id: "),
    ],
)
def test_what_is_no_pipeline_is_said_to_be_none_without_its_values(data, words):
    with pytest.raises(ValueError, match="no pipeline of GitLab's") as refused:
        read_pipeline(data)
    assert words in str(refused.value) and "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("event", "status", "wanted"),
    [("Pipeline Hook", "failed", True), ("Pipeline Hook", "pending", False), ("Job Hook", "failed", False)],
)
def test_pipelines_that_have_not_begun_and_other_events_are_filtered(event, status, wanted):
    definition = get_definition(gitlab_pipeline)
    assert definition is not None and definition.filter is not None
    document = {"headers": {"x-gitlab-event": event}, "data": payload("main-failed", status=status)}
    assert compile_filter(definition.filter).matches(document) is wanted
