"""Run a script in JavaScript."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blocks.errors import Failed, InvalidInput, NotConfigured
from flows.nodes._node import node
from receiver import Context

MAX_SCRIPT = 64 * 1024
MAX_GIVEN = 32 * 1024 * 1024
MAX_RESULT = 1024 * 1024
MAX_SECONDS = 60.0
MEMORY = 16, 512
"""MiB that a script may be given, at least and at most."""
_START = 30.0
"""Seconds that the process may need to begin, on a busy machine."""


def plan(
    script: str,
    context: Context | Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    *,
    seconds: float = 5.0,
    memory: int = 64,
) -> dict[str, Any]:
    """What the engine gets: the script, and beside it the values as JSON text. Raises `InvalidInput`.

    >>> plan("return args.price * 2", arguments={"price": 21})["given"]
    '{"context": null, "args": {"price": 21}}'
    """
    if not script.strip():
        raise InvalidInput("the script is empty; it is a function's body: return context.data.name")
    if len(script) > MAX_SCRIPT:
        raise InvalidInput(f"the script has {len(script)} characters, at most {MAX_SCRIPT}")
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidInput(f"seconds is over 0 and at most {MAX_SECONDS:g}, not {seconds}")
    if not MEMORY[0] <= memory <= MEMORY[1]:
        raise InvalidInput(f"memory is from {MEMORY[0]} to {MEMORY[1]} MiB, not {memory}")
    document = context.document if isinstance(context, Context) else context
    try:
        given = json.dumps({"context": document, "args": dict(arguments or {})}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"context and arguments are not what JSON can hold: {error}") from error
    if len(given) > MAX_GIVEN:
        raise InvalidInput(f"context and arguments are {len(given)} characters of JSON, at most {MAX_GIVEN}")
    return {"source": script, "given": given, "timeout": seconds, "memory": memory, "most": MAX_RESULT}


@node("javascript", timeout=MAX_SECONDS + _START + 10)
async def javascript(
    script: str,
    context: Context | Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    *,
    seconds: float = 5.0,
    memory: int = 64,
) -> Any:
    """Run a script in JavaScript (V8): values in, JSON out, and nothing else within its reach.

    ```python
    total = await javascript("return context.data.lines.reduce((sum, line) => sum + line.price, 0)", context)
    ```

    Args:
        script: A function's body with `return`; it sees `context` and `args`. Written by you: what arrives from
            outside belongs into the values.
        context: The flow's `Context`, or any mapping.
        arguments: Further values by name, `args.<name>` in the script.
        seconds: How long it may run, at most 60.
        memory: MiB that it may take, 16 to 512.

    Returns:
        What the script returned, by way of JSON: at most 1 MiB of it; undefined is None.

    Raises:
        Failed: The script is wrong, threw, or passed a limit. The message names the line.
        InvalidInput: There is no script, or values that JSON cannot hold.
        NotConfigured: The engine, `mini-racer`, is not installed.
    """
    return await asyncio.to_thread(_run, plan(script, context, arguments, seconds=seconds, memory=memory))


def _run(planned: dict[str, Any]) -> Any:
    """In a process of its own: a limit that V8 passes ends that process and not the flow's, and it inherits nothing."""
    engine = find_spec("py_mini_racer")
    if engine is None or engine.origin is None:
        raise NotConfigured("JavaScript needs the package mini-racer: pip install mini-racer")
    folder = str(Path(engine.origin).parents[1])
    process = str(Path(__file__).with_name("_javascript_process.py"))
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and our own file)
            [sys.executable, "-I", "-S", process, folder],
            input=json.dumps(planned).encode(),
            capture_output=True,
            env={},
            timeout=planned["timeout"] + _START,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"the script takes longer than {planned['timeout']:g} seconds") from None
    if done.returncode < 0:
        raise Failed(f"the script takes more than {planned['memory']} MiB of memory")
    if done.returncode:
        raise Failed(f"the JavaScript engine does not start: {done.stderr.decode(errors='replace')[-500:]}")
    answer = json.loads(done.stdout)
    if "result" in answer:
        return _value(answer["result"])
    line = f"line {answer['line']}: " if "line" in answer else "the script "
    raise Failed(f"{line}{answer['problem'][:500]}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Failed("the script gives more levels than can be read") from None
