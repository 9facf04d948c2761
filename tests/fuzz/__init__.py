"""Every parser and every verifier, given anything: each raises the one exception that it documents, or none.

A target is a small function of bytes; `load_targets` finds those of this package's modules. `test_targets.py` runs each
for a moment, `make fuzz` for as long as it is told, guided by which lines of code an input reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is tried. `run` lets through whatever is not documented; `seeds` are inputs that reach far into the code.

    `words` are what its language is made of; `largest` is the most bytes of an input.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()
    largest: int = 4096


def load_targets() -> Mapping[str, Target]:
    """Every target of this package's modules, by name; `guided` has none and needs what `make fuzz` alone installs."""
    names = [info.name for info in iter_modules(__path__) if not info.name.startswith(("_", "test_", "guided"))]
    found = [target for name in names for target in getattr(import_module(f"{__name__}.{name}"), "TARGETS", ())]
    return {target.name: target for target in found}
