"""Scripts in JavaScript: what they get and give, where they fail, and what they cannot pass."""

import json
import sys
from importlib import import_module
from typing import Any

import pytest

from blocks.errors import Failed, InvalidInput
from flows.nodes import javascript
from receiver import Context
from tests.support.markdown import ROOT

plan = import_module("flows.nodes.javascript").plan

FORM = """
const form = context.data;
const email = (form.email || "").trim().toLowerCase();
if (!form.name) throw new Error("name: is missing");
const owners = { sales: "sales@example.com", support: "help@example.com" };
const owner = owners[form.topic] ?? args.fallback;
return {
  customer: { name: form.name.trim(), email: email || null },
  owner,
  confirmation: email ? { to: email, text: `Dear ${form.name.trim()}, ${owner} will answer you soon.` } : null,
};
"""
PUSH = """
const { ref, commits, repository, pusher, deleted } = context.data;
const branch = ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : null;
const lines = commits.map(({ id, message }) => `* ${id.slice(0, 7)} ${message.split("\\n")[0]}`);
return {
  branch,
  deploy: branch === args.branch && !deleted,
  text: [`${pusher.name} pushed ${commits.length} to ${branch} of ${repository.full_name}`, ...lines].join("\\n"),
};
"""


async def run(script: str, context: Any = None, arguments: Any = None, **limits: Any) -> Any:
    return await javascript.fn(script, context, arguments, **limits)


async def test_a_form_becomes_a_customer_an_owner_and_a_confirmation():
    form = {"name": " Ада ", "email": "Ada@Example.com", "topic": "support"}
    made = await run(FORM, Context.from_document({"data": form}), {"fallback": "office@example.com"})

    assert made["customer"] == {"name": "Ада", "email": "ada@example.com"}
    assert made["owner"] == "help@example.com"
    assert made["confirmation"] == {
        "to": "ada@example.com",
        "text": "Dear Ада, help@example.com will answer you soon.",
    }


async def test_a_form_without_an_address_is_confirmed_to_nobody():
    made = await run(FORM, {"data": {"name": "Ada"}}, {"fallback": "office@example.com"})

    assert (made["owner"], made["confirmation"]) == ("office@example.com", None)


async def test_a_push_to_the_branch_is_deployed_and_told():
    push = json.loads((ROOT / "tests" / "payloads" / "github" / "push__main.json").read_text(encoding="utf-8"))
    made = await run(PUSH, {"data": push}, {"branch": "main"})

    assert (made["branch"], made["deploy"]) == ("main", True)
    assert made["text"].count("\n* ") == len(push["commits"]) > 0


async def test_a_value_is_never_read_as_source():
    hostile = '"}); throw new Error("out"); ({"\u2028'
    made = await run("return [context.data, args.__proto__]", {"data": hostile}, {"__proto__": {"a": 1}})

    assert made == [hostile, {"a": 1}]


async def test_the_host_is_out_of_reach():
    names = ["process", "require", "module", "Deno", "fetch", "XMLHttpRequest", "setTimeout", "console"]
    made = await run("return args.names.filter((name) => globalThis[name] !== undefined)", None, {"names": names})

    assert set(made) <= {"console"}


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ('let a = 1;\n\nthrow new Error("boom")', "line 3: Error: boom"),
        ("let a = 1;\nlet b = ;", "line 2: SyntaxError: Unexpected token ';'"),
        ("return (async () => 1)()", "gives a promise"),
        ("const a = {}; a.a = a; return a", "gives what JSON cannot hold"),
        ("return 'x'.repeat(2000000)", "gives 2000002 characters of JSON, at most 1048576"),
        ("} + {", "is no function's body"),
    ],
)
async def test_what_is_wrong_is_said_with_the_line(script, problem):
    with pytest.raises(Failed, match=problem):
        await run(script, {})


async def test_a_script_without_an_end_is_ended():
    with pytest.raises(Failed, match=r"takes longer than 0\.3 seconds"):
        await run("while (true) {}", seconds=0.3)


@pytest.mark.skipif(sys.platform != "linux", reason="what is beside V8's heap is bounded on Linux alone")
@pytest.mark.parametrize(
    "script",
    [
        "const a = []; while (true) a.push(new Array(100000).fill(1.5))",
        "const a = []; while (true) a.push(new Uint8Array(1e7).fill(1))",
    ],
)
async def test_a_script_takes_no_more_memory_than_it_may(script):
    with pytest.raises(Failed, match=r"more than 32 MiB|allocation failed"):
        await run(script, memory=32, seconds=20)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"script": " "}, "is empty"),
        ({"script": "x" * 70_000}, "at most 65536"),
        ({"script": "return 1", "arguments": {"a": float("nan")}}, "not what JSON can hold"),
        ({"script": "return 1", "seconds": 0}, "seconds is over 0"),
        ({"script": "return 1", "memory": 4}, "memory is from 16 to 512"),
    ],
)
def test_what_cannot_be_run_starts_nothing(asked, problem):
    with pytest.raises(InvalidInput, match=problem):
        plan(**asked)
