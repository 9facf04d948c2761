"""A process that runs one script in V8 and ends: what `flows.nodes.javascript` starts for each call.

`python -I -S _javascript_process.py FOLDER`, with the folder that `py_mini_racer` is in. One JSON object comes in,
`{"source", "given", "timeout", "memory", "most"}`, and one goes out: `{"result"}` or `{"problem", "line"}`. Only what
`given` holds gets in, as an argument; V8 alone knows no file, no network and no environment. Imports nothing of ours.
"""

import json
import os
import re
import resource
import sys
from pathlib import Path

_SPARE = 64
"""MiB beside the script's that the process needs to read the values and to write the result."""
_WHERE = re.compile(r"<anonymous>:(\d+): (.*)")
_CALL = """(script, text, most) => {
  const { context, args } = JSON.parse(text);
  const result = script(context, args);
  if (result instanceof Promise) return "!gives a promise: a script has nothing to wait for";
  let out;
  try { out = JSON.stringify(result) ?? "null"; } catch (error) { return "!gives what JSON cannot hold: " + error; }
  return out.length > most ? `!gives ${out.length} characters of JSON, at most ${most}` : out;
}"""


def answer(source: str, given: str, timeout: float, memory: int, most: int) -> dict[str, object]:
    """What the script gives as JSON text, or its problem and the line of it."""
    from py_mini_racer import (
        DEFAULT_V8_FLAGS,
        JSEvalException,
        JSFunction,
        JSOOMException,
        JSTimeoutException,
        MiniRacer,
        init_mini_racer,
    )

    init_mini_racer(flags=(*DEFAULT_V8_FLAGS, f"--max-heap-size={memory}"))
    engine = MiniRacer()
    engine.set_hard_memory_limit(memory * 1024 * 1024)
    bound_the_process(memory)
    try:
        engine.eval("setTimeout = clearTimeout = undefined")  # the library's: nothing here waits
        # On the first line, so that the engine's lines are the author's.
        script = engine.eval("(function (context, args) {" + source + "\n})", timeout_sec=timeout)
        call = engine.eval(_CALL)
        if not isinstance(script, JSFunction) or not isinstance(call, JSFunction):
            return {"problem": "is no function's body: a brace is closed that was not opened"}
        text = str(call(script, given, most, timeout_sec=timeout))
    except JSTimeoutException:
        return {"problem": f"takes longer than {timeout:g} seconds"}
    except JSEvalException as error:
        if isinstance(error, JSOOMException) or engine.was_hard_memory_limit_reached():
            return {"problem": f"takes more than {memory} MiB of memory"}
        found = _WHERE.match(str(error))
        return {"problem": found[2], "line": int(found[1])} if found else {"problem": str(error).strip()}
    return {"problem": text[1:]} if text.startswith("!") else {"result": text}


def bound_the_process(memory: int) -> None:
    """Let the process have as much more than it has now, on Linux: buffers are not on V8's heap."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        most = int(statm.read_text().split()[5]) * resource.getpagesize() + (memory + _SPARE) * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main() -> None:
    """Read what is asked, answer, and end at once: V8 may still be in a loop."""
    sys.path.append(sys.argv[1])
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(json.dumps(answer(**asked)))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
