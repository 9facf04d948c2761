"""The front door with everything behind it broken."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.client_ip import Proxies
from receiver.ingress.decide import admit
from receiver.ingress.intake import Intake, Wiring, _content_length
from receiver.ingress.rate_limits import MemoryRates
from receiver.ingress.request import RawRequest
from receiver.ingress.request_log import RequestLog
from receiver.ingress.webhook import Webhook, broken_webhook
from receiver.webhooks.catalog import Catalog


class Arrived:
    """A request of a stranger."""

    method, raw_path, query_string, peer, scheme = "POST", "secret-looking", "token=hidden", "", "http"
    headers: tuple[tuple[str, str], ...] = (("content-length", "9" * 5000),)

    async def read(self, limit: int) -> bytes:
        return b""

    def hold(self, size: int) -> None:
        raise AssertionError("nothing is inflated here")

    def let_go(self) -> None:
        raise AssertionError("nothing was read")

    async def hung_up(self) -> None:
        raise AssertionError("nothing is waited for here")


def broken_intake(stream: Any) -> Intake:
    async def fails() -> Any:
        raise ValueError("a secret of ours")

    catalog: Catalog[Webhook] = Catalog(fails, fails)
    nothing: Any = None
    return Intake(
        Wiring(
            catalog=catalog,
            prover=nothing,
            store=nothing,
            tickets=nothing,
            rendezvous=nothing,
            proxies=Proxies(),
            allow_plain_http=False,
            sets={},
            rates=MemoryRates(),
            failures=None,
            base_url="http://receiver.test",
            known_deployment=lambda _name: None,
            parameter_rules=lambda _name: None,
            stored=lambda: None,
            log=RequestLog(stream),
        )
    )


async def test_what_fails_unforeseen_is_a_500_with_its_line_and_no_words_of_ours(caplog: pytest.LogCaptureFixture):
    stream = io.StringIO()
    answer = await broken_intake(stream).take(Arrived())
    await asyncio.sleep(0)  # lines are written at the end of the loop's round
    line = json.loads(stream.getvalue())
    assert answer.status == 500 and b"secret" not in answer.body
    assert line["reason"] == "internal_error" and "secret of ours" not in stream.getvalue()
    assert dict(answer.headers)["webhook-delivery-id"] == line["delivery_id"] and line["delivery_id"] in caplog.text


async def test_a_log_that_cannot_be_written_changes_no_answer(caplog: pytest.LogCaptureFixture):
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed):
        assert (await broken_intake(stream).take(Arrived())).status == 500
        await asyncio.sleep(0)
    assert {record.name for record in caplog.records} == {"receiver.ingress.intake"}


def reason_of(webhook: Webhook, **more: Any) -> Reason:
    with pytest.raises(Refused) as refused:
        admit(webhook, **{"method": "POST", "client_ip": "192.0.2.7", "content_length": None, **more})
    return refused.value.reason


def test_a_disabled_webhook_is_not_there_whatever_else_is_wrong():
    for method in ("POST", "GET", "DELETE", "BREW"):
        broken = broken_webhook("w", None, "no such scheme", revision=1, state="disabled")
        assert reason_of(broken, method=method, content_length=10**12) is Reason.WEBHOOK_DISABLED
    assert (
        reason_of(broken_webhook("w", None, "no such scheme", revision=1, state="paused")) is Reason.DEFINITION_BROKEN
    )


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 18])
def test_a_length_beyond_all_measure_is_too_large(length: str):
    named = {
        "method": "POST",
        "path": "/",
        "query_string": "",
        "body": b"",
        "wire_body": b"",
        "url": "",
        "client_ip": "",
    }
    request = RawRequest(headers=(("content-length", length),), received_at=None, **named)  # type: ignore[arg-type] # no rule here asks for the time
    announced = _content_length(request)
    assert announced is not None and announced > 25 * 1024 * 1024
