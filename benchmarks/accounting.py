"""What processes cost: CPU seconds and memory of a process and all its descendants."""

from __future__ import annotations

from collections.abc import Iterable

import psutil  # type: ignore[import-untyped]  # no stubs are installed

MIB = 1024 * 1024


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants; those that end meanwhile are left out."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def marked(name: str, value: str) -> list[psutil.Process]:
    """Every process whose environment holds `name=value`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time, that of descendants that have ended included."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_mib(processes: Iterable[psutil.Process]) -> float:
    """Memory, pages that several share counted once in all (PSS, on Linux), else each process's own (USS)."""
    total = 0
    for process in processes:
        try:
            used = process.memory_full_info()
            total += getattr(used, "pss", used.uss)
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:  # of another account: all its pages, shared ones too
            total += process.memory_info().rss
    return total / MIB
