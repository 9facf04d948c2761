"""For tests of workflows: deliver a request to a flow as production would, without HTTP and without a worker.

    from receiver.testing import deliver_now

    def test_an_order_is_confirmed(webhooks_server):
        delivered = deliver_now(orders, data={"number": 7})
        assert delivered.reply.status == 201

`webhooks_server` is a fixture of the pytest plugin that comes with this package; see `docs/writing-flows.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from receiver.testing.delivered import Delivered, Received, TaskState
from receiver.testing.server import Server

__all__ = ["Delivered", "Received", "Server", "TaskState", "deliver", "deliver_now"]


async def deliver(
    flow: Any,
    *,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
    method: str | None = None,
    path: str | None = None,
    files: Any = None,
    raw: bytes | None = None,
    client_ip: str | None = None,
    signed: bool = True,
    delivery_id: str | None = None,
) -> Delivered:
    """Send one request to the webhook of a flow, run the flow here, and give back what came of it.

    The whole webhook is passed: path, method, address and signature, then filter, schema and parameters. What they
    turn away is answered as a sender would be answered and starts no run. What passes is handed over to the Prefect
    server of the settings in force (the one of the fixture `webhooks_server`) as a run of a deployment `test`, and runs
    in this process. Time limits of a synchronous webhook do not apply, and nothing is stored: there is no
    de-duplication.

    Args:
        flow: A flow with `@webhook`.
        data: The body, sent as JSON; with `files`, the other fields of the form. None sends no body.
        headers: Headers besides those of the body and the signature.
        query: Query parameters; a list is a repeated one.
        params: The parameters of the webhook's own path, `{"shop_id": "7"}`.
        method: The HTTP method; default the webhook's first.
        path: The path below `/api/webhooks/`, raw; default the webhook's own with `params`.
        files: Files of a form, as httpx takes them: `{"picture": ("a.png", b"...", "image/png")}`.
        raw: The body's bytes, with a Content-Type among `headers`, instead of `data`.
        client_ip: The sender's address; default one that `ip_allowlist` lets in.
        signed: False leaves the signature or the credential out, as a stranger would.
        delivery_id: Default a new one; the same again is a replay, the delivery's next attempt.

    Raises ValueError for a request that cannot be made, TypeError for data that is not JSON.
    """
    from receiver.testing.delivering import deliver_request
    from receiver.testing.sender import Sample

    sample = Sample(
        data=data,
        headers=headers or {},
        query=query or {},
        params=params or {},
        method=method,
        path=path,
        files=files,
        raw=raw,
        client_ip=client_ip,
        signed=signed,
    )
    return await deliver_request(flow, sample, delivery_id)


def deliver_now(flow: Any, **request: Any) -> Delivered:
    """`deliver` for a test that is no coroutine: same arguments, same answer. Not inside a running event loop."""
    return asyncio.run(deliver(flow, **request))
