"""`make fuzz`: every target for some seconds, one after another; the exit status is 1 where something broke.

An input that broke something stays in `.fuzz/`: `python -m tests.fuzz NAME --input FILE` runs it again, alone.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz import load_targets

_KEPT = Path(".fuzz")
_SECONDS_AN_INPUT, _MIB = 10, 1536
"""What one input may take: libFuzzer ends the target where it takes more. Instrumented, all is several times slower."""
_TO_START = 120


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run what the command line names; 1 where an input broke something, 2 where nothing can be run."""
    known = load_targets()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"targets, all when left out: {', '.join(known)}")
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--input", type=Path, help="one input, for one target")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(known):
        parser.error(f"no target is named {', '.join(sorted(unknown))}")
    if chosen.input is not None:
        for name in chosen.names:
            known[name].run(chosen.input.read_bytes())
        return 0
    if find_spec("atheris") is None:
        _say("atheris is not installed: `make fuzz` installs it where there is a wheel for this Python and system.")
        return 2
    broken = [name for name in chosen.names or known if not _try(name, chosen.seconds, chosen.seed)]
    _say(f"{len(broken)} broke: {', '.join(broken)}" if broken else "none broke")
    return 1 if broken else 0


def _try(name: str, seconds: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        limits = [f"-timeout={_SECONDS_AN_INPUT}", f"-rss_limit_mb={_MIB}", "-print_final_stats=1"]
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.guided",
            name,
            place,
            f"-seed={seed}",
            f"-max_total_time={seconds}",
        ]
        with (folder / "said").open("wb") as said:
            ended = subprocess.run([*command, *limits], stdout=said, stderr=said, timeout=seconds * 2 + _TO_START)
        text = (folder / "said").read_text(errors="replace")
        told = {found[1]: found[2] for found in re.finditer(r"stat::(\w+):\s+(\d+)", text)}
        reached = [found[1] for found in re.finditer(r"cov: (\d+)", text)]
        inputs, peak = told.get("number_of_executed_units", "?"), told.get("peak_rss_mb", "?")
        edges, slowest = reached[-1] if reached else "?", told.get("slowest_unit_time_sec", "?")
        _say(f"{name:<14} {inputs:>9} inputs, {edges:>6} edges reached, {peak:>5} MiB, slowest {slowest} s")
        if ended.returncode == 0:
            return True
        _KEPT.mkdir(exist_ok=True)
        for file in folder.iterdir():
            if file.name.partition("-")[0] in {"crash", "timeout", "oom", "leak"}:
                shutil.copy(file, _KEPT / f"{name}-{file.name}")
                _say(f"  kept as {_KEPT / f'{name}-{file.name}'}")
        _say("  " + "\n  ".join(text[-4000:].splitlines()[-40:]))
        return False


if __name__ == "__main__":
    sys.exit(main())
