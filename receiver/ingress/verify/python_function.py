"""The scheme `python`: a function of the project's, found by its entry point."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.options import HeaderName, SchemeOptions, near, read_options

log = logging.getLogger(__name__)

GROUP = "webhooks.schemes"
"""The group of entry points in which a project names its functions."""

Verify = Callable[[RawRequest, str, datetime], bool]


class PythonOptions(SchemeOptions):
    """Which function, and what is to be masked."""

    function: str = Field(description=f"Name of the entry point in the group `{GROUP}`.")
    headers: list[HeaderName] = Field(default=[], description="Headers that hold a credential; masked.")
    query: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description="Query parameters that hold a credential; masked."
    )


class Python(Scheme):
    """A function `verify(request, secret, now)` of yours that returns True for a request to be accepted.

    It is called with each secret in turn. Whatever else it returns, and whatever it raises, refuses the request.
    """

    name = "python"
    about = "senders that only a function of yours understands; for webhooks defined in code"
    to_enter = "whatever the function takes"
    strength: ClassVar[Strength] = "secret"
    content_types = ()
    options_model = PythonOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `function` (an entry point's name), `headers` and `query` to be masked."""
        self.options = read_options(PythonOptions, self.name, options)
        self._function = _load(self.options.function)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept what the function accepts with one of the secrets."""
        usable = secrets.usable() if secrets else []
        if not usable:
            raise Unverified(Reason.SECRET_UNAVAILABLE, "the webhook has no secret")
        for label, value in usable:
            if self._accepts(request, value, now):
                return Verified(scheme=self.name, secret=label)
        raise Unverified(Reason.CREDENTIAL_WRONG, f"{self.options.function} did not return True")

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Nobody here knows how: raises `DefinitionError`."""
        if not (secrets and secrets.usable()):
            raise Unverified(Reason.SECRET_UNAVAILABLE, "the webhook has no secret")
        raise cannot_sign("the sender")

    def carriers(self) -> Carriers:
        """What the definition names."""
        return Carriers(headers=frozenset(self.options.headers), query=frozenset(self.options.query))

    def _accepts(self, request: RawRequest, secret: str, now: datetime) -> bool:
        try:
            return self._function(request, secret, now) is True
        except Unverified:
            raise
        except Exception as error:  # noqa: BLE001 (the function is not ours: whatever it raises refuses)
            # Neither message nor traceback: either may hold the secret.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            log.error(  # noqa: TRY400 (see above)
                "the function %s failed with %s at %s: the request is refused",
                self.options.function,
                type(error).__name__,
                where,
            )
            raise Unverified(
                Reason.CREDENTIAL_WRONG, f"{self.options.function} failed: {type(error).__name__}"
            ) from None


def _load(name: str) -> Verify:
    found = {each.name: each for each in entry_points(group=GROUP)}
    if name not in found:
        raise DefinitionError(
            "verification.function", f"no entry point {name!r} in the group {GROUP}{near(name, frozenset(found))}"
        )
    try:
        function = found[name].load()
    except Exception as error:  # noqa: BLE001 (importing it runs a project's code)
        raise DefinitionError(
            "verification.function", f"{found[name].value} cannot be imported: {type(error).__name__}"
        ) from None
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise DefinitionError(
            "verification.function", f"{found[name].value} is no plain function: `def`, not `async def`"
        )
    return function  # type: ignore[no-any-return] # what it returns is looked at
