"""Fail when a Python file has outgrown one concept: 400 lines, a test 500."""

import subprocess
import sys
from pathlib import Path

LIMIT, TEST_LIMIT = 400, 500


def main() -> int:
    """Print each file over its limit; exit status 1 when there is one."""
    files = subprocess.run(["git", "ls-files", "*.py"], check=True, capture_output=True, text=True).stdout.split()  # noqa: S607 (git from PATH)
    too_long = []
    for name in files:
        if (path := Path(name)).is_file():
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > (TEST_LIMIT if name.startswith("tests/") else LIMIT):
                too_long.append(f"{name}: {lines} lines")
    print("\n".join(too_long) or f"{len(files)} files, none too long")  # noqa: T201 (a script's answer)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
