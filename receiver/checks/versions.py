"""Which versions of Prefect and Python the receiver works with. Pure."""

from __future__ import annotations

import re

SUPPORTED_PREFECT = ">=3.8,<4"
"""As `pyproject.toml` has it, which a test compares."""

LEAST_PYTHON = (3, 11)
"""As `requires-python` there."""

_FIRST, _END = (3, 8), (4, 0)


def supports_prefect(version: str) -> bool:
    """Whether a version of Prefect, `3.8.1` or `3.9.0rc1`, is one that the receiver was made for."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})", version)
    return found is not None and _FIRST <= (int(found[1]), int(found[2])) < _END
