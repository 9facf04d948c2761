"""Which processes carry a mark in their environment: those of one test, whatever started them."""

import psutil  # type: ignore[import-untyped]  # no stubs are installed


def marked(name: str, value: str) -> dict[int, str]:
    """Processes whose environment holds `name=value`: id → command line. Ones that end meanwhile are left out."""
    found: dict[int, str] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = " ".join(process.cmdline())
        except psutil.Error:
            continue
    return found
