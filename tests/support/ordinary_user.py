"""Running a command as an ordinary user when the tests run as root."""

import os
import subprocess
import sys
from functools import cache

import pytest

_BECOME_NOBODY = """
import os, pwd, sys
nobody = pwd.getpwnam("nobody")
os.setgroups([]), os.setgid(nobody.pw_gid), os.setuid(nobody.pw_uid)
os.execv(sys.argv[1], sys.argv[1:])
"""

# Below /root (where pyenv puts it) the interpreter is out of another account's reach. In a user namespace without a
# mapping the process keeps its files, has no right of root's any more and is `nobody` to itself.
_LEAVE_ROOT = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
    sys.exit(f"no user namespace: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""


def as_ordinary_user(argv: list[str]) -> list[str]:
    """The command line that runs `argv` without root's rights; `argv` itself when we have none."""
    return [*_prefix(), *argv]


def give_to_ordinary_user(folder: str) -> None:
    """Make `folder` theirs."""
    if _prefix() and _BECOME_NOBODY in _prefix():
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)


@cache
def _prefix() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    for way in (_BECOME_NOBODY, _LEAVE_ROOT):
        prefix = (sys.executable, "-c", way)
        tried = [*prefix, sys.executable, "-c", "import os, psycopg, receiver; assert os.geteuid() != 0"]
        if subprocess.run(tried, capture_output=True, cwd="/", check=False).returncode == 0:
            return prefix
    pytest.skip("root here can neither give its interpreter to another account nor make a user namespace")
