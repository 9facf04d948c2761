"""What a run may change in its process, noted before it and put back after it."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.worker.pool import Vitals

_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD})


@contextlib.contextmanager
def given_to_a_run(env: Mapping[str, str], working_dir: str | None, memory: int | None) -> Iterator[None]:
    """The run's environment, folder (a temporary one when None) and memory limit (MiB); afterwards all is as before.

    Put back are environment, working directory, umask, signal handlers and timers, loggers, `sys.path`, standard
    streams and the limit. Raises OSError when the folder does not exist.
    """
    with contextlib.ExitStack() as stack:
        for restore in (_environment, _folder, _signals, _logging, _streams_and_path):
            stack.enter_context(restore())
        if memory:
            stack.enter_context(_memory_limit(memory))
        os.environ.update(env)
        os.chdir(working_dir or stack.enter_context(TemporaryDirectory(prefix="warm-run-", ignore_cleanup_errors=True)))
        yield


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextlib.contextmanager
def _folder() -> Iterator[None]:
    before, mask = Path.cwd(), os.umask(0o022)
    os.umask(mask)
    try:
        yield
    finally:
        os.chdir(before)
        os.umask(mask)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in _SIGNALS]
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    known, disabled = _loggers(), logging.root.manager.disable
    before = [(one, one.level, one.propagate, one.disabled, list(one.handlers), list(one.filters)) for one in known]
    try:
        yield
    finally:
        logging.disable(disabled)
        for logger in set(_loggers()) - set(known):  # made by the run: only a library's silence is kept
            logger.setLevel(logging.NOTSET)
            logger.handlers[:] = [one for one in logger.handlers if isinstance(one, logging.NullHandler)]
        for logger, level, propagate, off, handlers, filters in before:
            if logger.level != level:
                logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, off
            if logger.handlers != handlers:
                logger.handlers[:] = handlers
            if logger.filters != filters:
                logger.filters[:] = filters


def _loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict
    return [logging.root, *(logger for logger in named.values() if isinstance(logger, logging.Logger))]


@contextlib.contextmanager
def _streams_and_path() -> Iterator[None]:
    streams, path = (sys.stdin, sys.stdout, sys.stderr), list(sys.path)
    try:
        yield
    finally:
        for stream in {sys.stdout, sys.stderr, *streams[1:]}:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.path[:] = path


@contextlib.contextmanager
def _memory_limit(mebibytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = mebibytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def take_vitals(runs: int) -> Vitals:
    """How this process is now."""
    return Vitals(runs=runs, memory=_memory(), threads=threading.active_count(), descriptors=_descriptors())


def _memory() -> float:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 (once a run: pathlib costs more than the read)
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except OSError:  # no /proc: the peak, which macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208 (as above)
    return 0


def as_message(vitals: Vitals) -> dict[str, Any]:
    """For the wire."""
    return {field: getattr(vitals, field) for field in Vitals.__dataclass_fields__}
