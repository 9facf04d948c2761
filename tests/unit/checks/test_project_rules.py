"""What `webhooks check` says of a project."""

from typing import Any

from receiver.checks.finding import Code, Finding, Level
from receiver.checks.project_rules import judge_project
from receiver.webhooks.manifest import Entry, FoundDefinition

ENTRIES = [Entry("main", "flows.orders.sync")]
FOUND = [FoundDefinition("flows.orders.sync", "orders", {"key": "orders", "methods": ["POST"]})]
DEPLOYED: dict[str, Any] = {"key": "orders", "methods": ["POST"], "deployment": "orders/main", "origin": "code"}


def of_note(
    entries: list[Entry], found: list[FoundDefinition], existing: list[dict[str, Any]] | None, key: str | None = None
) -> list[Finding]:
    return [each for each in judge_project(entries, found, existing, key) if each.code != Code.NOTHING_WRONG]


def test_what_is_deployed_as_the_code_has_it_is_in_order():
    [found] = judge_project(ENTRIES, FOUND, [DEPLOYED], None)
    assert (found.code, found.level) == (Code.NOTHING_WRONG, Level.OK)


def test_without_a_receiver_the_code_alone_is_judged():
    assert of_note(ENTRIES, FOUND, None) == []


def test_a_difference_names_the_fields_and_the_command():
    [found] = of_note(ENTRIES, FOUND, [{**DEPLOYED, "methods": ["PUT"]}])
    assert (found.code, found.level) == (Code.NOT_DEPLOYED, Level.WARNING)
    assert (found.subject, found.remedy) == ("webhook orders", "webhooks deploy")
    assert "methods" in found.problem


def test_what_is_new_in_the_code_is_to_be_deployed():
    [found] = of_note(ENTRIES, FOUND, [])
    assert (found.code, found.remedy) == (Code.NOT_DEPLOYED, "webhooks deploy")


def test_what_vanished_from_the_code_is_to_be_pruned():
    [found] = of_note(ENTRIES, FOUND, [DEPLOYED, {**DEPLOYED, "key": "gone"}])
    assert (found.subject, found.remedy) == ("webhook gone", "webhooks deploy --prune")


def test_a_key_that_was_given_by_hand_is_a_conflict():
    [found] = of_note(ENTRIES, FOUND, [{**DEPLOYED, "origin": "api"}])
    assert (found.code, found.level) == (Code.WEBHOOK_CONFLICT, Level.ERROR)


def test_several_entries_for_one_webhook_are_an_error_that_names_them():
    [found] = of_note([*ENTRIES, Entry("second", "flows.orders.sync")], FOUND, None)
    assert (found.code, found.level) == (Code.PROJECT_BROKEN, Level.ERROR)
    assert "orders/main" in found.problem
    assert "orders/second" in found.problem


def test_an_entry_that_no_webhook_starts_is_told_unless_one_is_bound_to_it():
    entries = [*ENTRIES, Entry("nightly", "flows.report.run")]
    [found] = of_note(entries, FOUND, [DEPLOYED])
    assert (found.code, found.level) == (Code.ENTRY_WITHOUT_WEBHOOK, Level.OK)
    bound = {"key": "report", "deployment": "report/nightly", "origin": "api"}
    assert of_note(entries, FOUND, [DEPLOYED, bound]) == []


def test_asked_for_one_webhook_only_that_one_is_judged():
    existing = [{**DEPLOYED, "methods": ["PUT"]}, {**DEPLOYED, "key": "gone"}]
    entries = [*ENTRIES, Entry("nightly", "flows.report.run")]
    assert [each.subject for each in of_note(entries, FOUND, existing, "gone")] == ["webhook gone"]


def test_webhooks_of_another_project_are_none_of_its_concern_but_for_a_key_of_both():
    theirs = [{**DEPLOYED, "key": "theirs", "source": "crm"}, {**DEPLOYED, "source": "crm"}]
    findings = judge_project(ENTRIES, FOUND, theirs, None, "shop")
    [found] = [each for each in findings if each.code != Code.NOTHING_WRONG]
    assert (found.code, found.subject) == (Code.WEBHOOK_CONFLICT, "webhook orders")
    assert "'crm'" in found.problem and "--take-over" in found.remedy
