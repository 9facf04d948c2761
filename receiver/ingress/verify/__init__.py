"""Where a request comes from: every scheme by its name, found in this package's modules.

A new scheme is one new file with a `Scheme` that has a name, or one row in `senders.py`; nothing else is edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import Any

from receiver.contract.errors import DefinitionError
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets, Verified
from receiver.ingress.verify.options import near

__all__ = ["SCHEMES", "Carriers", "Handshake", "Scheme", "Secrets", "Verified", "build_scheme"]


def build_scheme(verification: Mapping[str, Any]) -> Scheme:
    """The scheme of a webhook's `verification`: `{"scheme": name, "secret": reference, ...options}`.

    Raises `DefinitionError` for a scheme that does not exist, a secret that is missing or has no use, and options the
    scheme does not know or cannot use. The reference itself is not looked at.
    """
    options = dict(verification)
    name, secret = options.pop("scheme", None), options.pop("secret", None)
    if name is None:
        raise DefinitionError("verification.scheme", "is missing; an open webhook says 'none' in so many words")
    scheme = SCHEMES.get(name) if isinstance(name, str) else None
    if scheme is None:
        raise DefinitionError("verification.scheme", f"there is no scheme {name!r}{near(name, frozenset(SCHEMES))}")
    _check_replay_guard(scheme, options.pop("replay_guard", False))
    built = scheme(options)
    if built.takes_secret() and not (isinstance(secret, str) and secret.strip()):
        raise DefinitionError(
            "verification.secret",
            f"the scheme '{name}' needs the reference of a secret, e.g. block:webhook-secret/name",
        )
    if not built.takes_secret() and secret is not None:
        raise DefinitionError("verification.secret", f"the scheme '{name}' checks no secret; leave it out")
    return built


def _check_replay_guard(scheme: type[Scheme], chosen: object) -> None:
    if not isinstance(chosen, bool):
        raise DefinitionError("verification.replay_guard", "is true or false")
    if chosen and scheme.strength != "signed":
        raise DefinitionError(
            "verification.replay_guard", f"the scheme '{scheme.name}' has no signature that could come twice"
        )


def _find_schemes() -> dict[str, type[Scheme]]:
    found: dict[str, type[Scheme]] = {}
    for info in iter_modules(__path__):
        for scheme in _schemes_of(import_module(f"{__name__}.{info.name}")):
            if found.setdefault(scheme.name, scheme) is not scheme:
                raise RuntimeError(f"two schemes are named '{scheme.name}'")
    return dict(sorted(found.items()))


def _schemes_of(module: ModuleType) -> Iterator[type[Scheme]]:
    yield from getattr(module, "SCHEMES", ())
    for value in vars(module).values():
        defined_here = isinstance(value, type) and issubclass(value, Scheme) and value.__module__ == module.__name__
        if defined_here and "name" in vars(value):
            yield value


SCHEMES: Mapping[str, type[Scheme]] = MappingProxyType(_find_schemes())
"""Every scheme by its name, in alphabetical order."""
