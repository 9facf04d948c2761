"""Who answers the waiting caller, and with what. That the event travels is the integration tests' part."""

from typing import Any

import pytest
from prefect import flow

from receiver import Context, Reply, respond, webhook
from receiver.contract.errors import BadReply, ReplyTooLarge, WebhooksError
from receiver.contract.reply import MAX_REPLY

OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}
WAITING = Context.from_document({"v": 1, "delivery_id": "d1", "attempt": 2, "mode": "sync", "data": {"n": 5}})
NOBODY = Context.from_document({"v": 1, "delivery_id": "d1", "attempt": 2, "mode": "async"})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is emitted, in order."""
    events: list[dict[str, Any]] = []
    monkeypatch.setattr("prefect.events.emit_event", lambda **event: events.append(event))
    return events


def flow_of(function: Any) -> Any:
    return webhook(function.__name__.replace("_", "-"), **OPEN)(flow(function))


async def run(function: Any, context: Context) -> Any:
    """Both kinds of flow, as Prefect's engine calls them."""
    result = flow_of(function).fn(context)
    return await result if hasattr(result, "__await__") else result


def replying(context: Context) -> Reply:
    return Reply(status=201, body={"n": 5})


async def replying_later(context: Context) -> Reply:
    return Reply(status=201, body={"n": 5})


@pytest.mark.parametrize("function", [replying, replying_later])
async def test_what_the_flow_returns_answers_the_caller_that_waits(function: Any, sent: list[dict[str, Any]]):
    returned = await run(function, WAITING)
    assert sent == [
        {
            "event": "webhooks.reply",
            "resource": {"prefect.resource.id": "webhooks.delivery.d1"},
            "payload": {**returned.to_wire(), "attempt": 2, "flow_run_id": None},
        }
    ]


@pytest.mark.parametrize("function", [replying, replying_later])
async def test_where_nobody_waits_nothing_is_sent(function: Any, sent: list[dict[str, Any]]):
    assert (await run(function, NOBODY)).status == 201
    assert sent == []


@pytest.mark.parametrize("result", [None, {"a": [1]}, "text", 5])
async def test_a_plain_result_is_sent_without_a_status(result: Any, sent: list[dict[str, Any]]):
    def plain(context: Context) -> Any:
        return result

    assert await run(plain, WAITING) == result
    assert sent[0]["payload"]["status"] is None
    body = {**sent[0]["payload"], "status": 200}
    assert Reply.from_wire(body).body == (None if result is None else {"result": result})


async def test_a_result_that_is_no_json_is_a_bad_reply_that_says_what_to_return(sent: list[dict[str, Any]]):
    def odd(context: Context) -> Any:
        return {1, 2}

    with pytest.raises(BadReply, match=r"is a set, which JSON cannot hold\. Return a Reply"):
        await run(odd, WAITING)
    assert await run(odd, NOBODY) == {1, 2}
    assert sent == []


async def test_respond_answers_at_once_and_what_is_returned_is_no_reply_any_more(sent: list[dict[str, Any]]):
    def early(context: Context) -> Reply:
        respond(status=202, body="thanks", headers={"X-A": "b"})
        assert len(sent) == 1
        return Reply(status=500)

    assert (await run(early, WAITING)).status == 500
    [event] = sent
    assert Reply.from_wire(event["payload"]) == Reply(status=202, body="thanks", headers={"X-A": "b"})


async def test_respond_is_for_one_call(sent: list[dict[str, Any]]):
    def twice(context: Context) -> None:
        respond(body="one")
        respond(body="two")

    with pytest.raises(WebhooksError, match="has answered already"):
        await run(twice, WAITING)
    assert len(sent) == 1


def test_respond_outside_a_run_checks_the_reply_only(sent: list[dict[str, Any]]):
    respond(body={"a": 1})
    with pytest.raises(BadReply):
        respond(status=99)
    with pytest.raises(ReplyTooLarge):
        respond(body="x" * MAX_REPLY)
    assert sent == []


async def test_a_flow_that_fails_has_sent_no_reply_and_leaves_nobody_waiting(sent: list[dict[str, Any]]):
    def failing(context: Context) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await run(failing, WAITING)
    respond(body="to nobody")
    assert sent == []


async def test_a_flow_that_another_calls_does_not_answer_in_its_place(sent: list[dict[str, Any]]):
    inner = flow_of(replying_later)

    async def outer(context: Context) -> Reply:
        found = await inner.fn(context)
        assert sent == []
        return Reply(body={"inner": found.status})

    await run(outer, WAITING)
    [event] = sent
    assert Reply.from_wire(event["payload"]).body == {"inner": 201}


async def test_a_flow_that_another_calls_may_respond_to_the_one_caller(sent: list[dict[str, Any]]):
    def responding(context: Context) -> None:
        respond(body="from inside")

    inner = flow_of(responding)

    def outer(context: Context) -> Reply:
        inner.fn(context)
        return Reply(body="from outside")

    await run(outer, WAITING)
    assert [Reply.from_wire(event["payload"]).body for event in sent] == ["from inside"]
