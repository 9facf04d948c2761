"""What `webhooks new` writes: a workflow and its test, as text. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.contract.paths import path_parameters

_FLOW = '''"""The workflow behind the webhook `{key}`.

`webhooks deploy` makes it live; try it with:

    {trial}
"""

from __future__ import annotations

from flows.nodes import send_email
from prefect import flow
from pydantic import BaseModel
from receiver import {contract}

TEAM = "team@example.com"  # who is told; mail is kept in .webhooks/mail until there is a block smtp/default


class Message(BaseModel):
    """What a request's body has to be; the webhook turns everything else away before a run is made."""

    text: str


@webhook(
    "{key}",
{definition})
@flow(log_prints=True)
async def {module}(context: Context) -> {returns}:
    """What happens when a request comes in: each node is a task, so Prefect shows and retries it by itself."""
    message = Message.model_validate(context.data)
    await send_email(TEAM, "A message for {key}", message.text)
{last}
'''

_ASYNC_LAST = """    return "The team was told."  # nobody waits for it: the sender has had its answer"""
_SYNC_LAST = """    # The sender waits for it: this is its answer.
    return Reply(status=201, body={"delivery": context.delivery_id})"""

_TEST = '''"""Tests of flows/{module}.py; run them with: pytest"""

from receiver.testing import Server, deliver_now

from flows.{module} import TEAM, {module}


def test_the_team_is_told(webhooks_server: Server) -> None:
    delivered = deliver_now({module}, data={{"text": "Two lamps, please."}}{params})

    assert delivered.reply.status == {status}
    assert delivered.status == "completed"
    [mail] = webhooks_server.mails()
    assert mail["To"] == TEAM
    assert "Two lamps" in mail.get_content()


def test_a_body_that_is_no_message_starts_nothing(webhooks_server: Server) -> None:
    delivered = deliver_now({module}, data={{"text": None}}{params})

    assert delivered.reason == "schema_mismatch"
    assert delivered.flow_run_id is None
    assert webhooks_server.mails() == []
'''

CONFTEST = '"""With this file in the project\'s folder, tests find its `flows`."""\n'

SAMPLE = {"text": "Two lamps, please."}


@dataclass(frozen=True, kw_only=True)
class Scaffold:
    """What is asked for: the webhook's key, its Python name, its custom path, whether its caller waits, who is let in.

    `verification` is as a definition has it.
    """

    key: str
    module: str
    path: str | None
    sync: bool
    verification: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether anybody may call it."""
        return bool(self.verification["scheme"] == "none")


def source_of_flow(scaffold: Scaffold) -> str:
    """The workflow's module."""
    lines = [f"path={_text(scaffold.path)},"] if scaffold.path else []
    lines += ['mode="sync",'] if scaffold.sync else []
    pairs = ", ".join(f"{_text(name)}: {_value(value)}" for name, value in scaffold.verification.items())
    lines.append(f"verification={{{pairs}}},")
    lines += ['ip_allowlist=["127.0.0.0/8", "::1/128"],  # open, so only to this machine'] if scaffold.is_open else []
    lines.append("schema=Message.model_json_schema(),")
    return _FLOW.format(
        key=scaffold.key,
        module=scaffold.module,
        trial=trial(scaffold),
        contract="Context, Reply, webhook" if scaffold.sync else "Context, webhook",
        definition="".join(f"    {line}\n" for line in lines),
        returns="Reply" if scaffold.sync else "str",
        last=_SYNC_LAST if scaffold.sync else _ASYNC_LAST,
    )


def source_of_test(scaffold: Scaffold) -> str:
    """The test's module."""
    names = path_parameters(scaffold.path or "")
    params = ", params={" + ", ".join(f'"{name}": "1"' for name in names) + "}" if names else ""
    status = 201 if scaffold.sync else 202
    return _TEST.format(module=scaffold.module, params=params, status=status)


def trial(scaffold: Scaffold) -> str:
    """The command that sends a first request."""
    params = "".join(f" --path-param {name}=1" for name in path_parameters(scaffold.path or ""))
    return f"webhooks send {scaffold.key}{params} --data '{json.dumps(SAMPLE)}'"


def _value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: object) -> str:
    return json.dumps(str(value))
