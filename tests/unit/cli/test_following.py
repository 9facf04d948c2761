"""What `webhooks deliveries --follow` prints at each look."""

from typing import Any

from receiver.cli.following import Changes


def delivery(identity: str, status: str = "queued", attempt: int = 1) -> dict[str, Any]:
    return {"id": identity, "status": status, "attempt": attempt}


def test_only_what_is_new_or_has_changed_is_told():
    changes = Changes()
    assert list(changes.of([delivery("a"), delivery("b")])) == [delivery("a"), delivery("b")]
    assert list(changes.of([delivery("a"), delivery("b", "running")])) == [delivery("b", "running")]
    assert list(changes.of([delivery("a"), delivery("b", "running")])) == []


def test_a_new_attempt_is_a_change_though_the_status_is_the_same():
    changes = Changes()
    list(changes.of([delivery("a", "failed")]))
    assert list(changes.of([delivery("a", "failed", attempt=2)])) == [delivery("a", "failed", 2)]


def test_unfinished_ones_are_remembered_until_they_end():
    changes = Changes()
    list(changes.of([delivery("a"), delivery("b", "completed"), delivery("c", "running")]))
    assert changes.unfinished() == ["c", "a"]
    list(changes.of([delivery("a", "failed")]))
    assert changes.unfinished() == ["c"]
    assert changes.knows("a") and not changes.knows("z")


def test_memory_is_bounded():
    changes = Changes()
    list(changes.of(delivery(str(number)) for number in range(10_005)))
    assert not changes.knows("4")
    assert changes.knows("5")
