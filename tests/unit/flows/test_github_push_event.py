"""GitHub's push, read: every shape it comes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.github_push_event import read_push, summary

PAYLOADS = Path(__file__).parents[2] / "payloads" / "github"


def payload(name: str) -> dict[str, Any]:
    return dict(json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("name", "branch", "commits", "deleted"),
    [
        ("push__main", "main", 3, False),
        ("push__feature-branch", "oksana/dark-page", 1, False),
        ("push__branch-deleted", "oksana/dark-page", 0, True),
        ("push__main-deleted", "main", 0, True),
        ("push__tag", None, 0, False),
        ("push__new-branch-without-commits", "empty", 0, False),
        ("push__main-many-commits", "main", 25, False),
        ("push__main-non-ascii", "main", 2, False),
        ("push__branch-named-in-ukrainian", "гілка/новини", 1, False),
    ],
)
def test_branch_and_commits_are_read(name, branch, commits, deleted):
    push = read_push(payload(name))

    assert (push.branch, len(push.commits), push.deleted) == (branch, commits, deleted)
    assert push.repository == "lantern-works/site"


def test_what_a_sender_may_leave_out_is_left_out():
    push = read_push(
        {"ref": "refs/heads/main", "before": "0", "after": "1", "repository": {"full_name": "a/b"}, "commits": None}
    )

    assert (push.pusher, push.commits, push.compare) == ("somebody", (), "")


@pytest.mark.parametrize("data", [None, [], "text", {}, {"repository": None}, {"ref": "x", "repository": {}}])
def test_what_is_no_push_is_said_to_be_none(data):
    with pytest.raises(ValueError, match="no push of GitHub's"):
        read_push(data)


def test_the_team_reads_who_pushed_what_and_where_it_goes():
    push = read_push(payload("push__main"))

    lines = summary(push, "brisk-otter").splitlines()

    assert lines[0] == "oksana-dev pushed 3 commits to main"
    assert lines[2] == f"* {push.commits[0].sha[:7]}  Show the new lamps  (Oksana Marchenko)"
    assert lines[-2].startswith("Changes: https://github.com/lantern-works/site/compare/")
    assert lines[-1] == f"The site is being deployed at {push.after[:7]}; Prefect's run is called brisk-otter."


def test_a_long_list_is_cut_and_force_is_told():
    text = summary(read_push(payload("push__main-many-commits")), "run")

    assert text.startswith("oksana-dev force-pushed 25 commits to main")
    assert text.count("\n* ") == 21
    assert "* and 5 more" in text


def test_names_and_messages_in_any_language_or_empty():
    text = summary(read_push(payload("push__main-non-ascii")), "run")

    assert "Додати сторінку «Ліхтарі» 🏮  (Оксана Марченко)" in text
    assert "(no message)  (李 明)" in text


def test_a_name_stays_one_line_so_that_it_can_be_part_of_a_subject():
    data = payload("push__main") | {"pusher": {"name": "eve\r\nBcc: all@example.com"}}

    assert read_push(data).pusher == "eve Bcc: all@example.com"
