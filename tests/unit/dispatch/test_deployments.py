"""What is known of deployments, with a Prefect that answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from receiver.dispatch import deployments as module
from receiver.dispatch.deployments import Deployments
from receiver.prefect_gateway import DeploymentRef, PrefectUnavailable
from tests.support.waiting import eventually


class Prefect:
    """Answers look-ups; `asked` are the names in order."""

    def __init__(self, *names: str) -> None:
        self.has = {name: DeploymentRef(name=name, id="1", flow_id="2") for name in names}
        self.asked: list[str] = []
        self.answers = True

    async def resolve_deployment(self, name: str) -> DeploymentRef | None:
        self.asked.append(name)
        if not self.answers:
            raise PrefectUnavailable("Prefect did not answer")
        return self.has.get(name)


def changed(name: str) -> DeploymentRef:
    return DeploymentRef(name=name, id="1", flow_id="2", parameter_schema={"type": "object"})


async def test_nothing_is_known_before_it_was_asked_for_and_what_vanished_is_dropped():
    prefect = Prefect("a/a")
    known = Deployments(prefect, lambda ref: ref.name)
    assert (known.known("a/a"), known.rules("a/a")) == (None, None)
    assert await known.resolve_deployment("a/a") == prefect.has["a/a"] == known.known("a/a")
    assert known.rules("a/a") == "a/a"
    prefect.has.clear()
    assert await known.resolve_deployment("a/a") is None
    assert (known.known("a/a"), known.rules("a/a")) == (None, None)


async def test_rules_are_made_once_for_each_version():
    prefect, made = Prefect("a/a"), list[DeploymentRef]()
    known = Deployments(prefect, made.append)
    for _ in range(3):
        await known.resolve_deployment("a/a")
    prefect.has["a/a"] = changed("a/a")
    await known.resolve_deployment("a/a")
    assert [ref.parameter_schema for ref in made] == [None, {"type": "object"}]


async def test_prefect_is_asked_again_only_when_time_has_passed_or_something_changed(monkeypatch: pytest.MonkeyPatch):
    prefect = Prefect("a/a")
    known = Deployments(prefect, lambda _ref: None)
    for _ in range(3):
        await known.recent("a/a")
    assert len(prefect.asked) == 1
    known.forget("a/a")
    await known.recent("a/a")
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    await known.recent("a/a")
    assert len(prefect.asked) == 3


async def test_what_is_wanted_is_kept_at_hand_and_stays_while_prefect_is_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_ROUND_SECONDS", 0.01)
    monkeypatch.setattr(module, "_AFTER_FAILURE_SECONDS", 0.01)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    prefect = Prefect("a/a", "b/b")
    wanted = {"a/a", "gone/gone"}
    known = Deployments(prefect, lambda _ref: None, lambda: wanted)
    task = asyncio.create_task(known.run())
    try:
        await eventually(lambda: _is(known.known("a/a")), 5, what="a/a is known")
        prefect.answers = False
        count = len(prefect.asked)
        await eventually(lambda: _is(len(prefect.asked) > count + 2), 5, what="Prefect is asked again")
        assert known.known("a/a") is not None
        prefect.answers = True
        wanted.add("b/b")
        await eventually(lambda: _is(known.known("b/b")), 5, what="b/b is known")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert {"a/a", "gone/gone"} <= set(prefect.asked)


async def _is(value: object) -> object:
    return value
