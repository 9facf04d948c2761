"""Options of a scheme, read strictly: a misspelt option is an error at definition, never a check that is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from receiver.contract.errors import DefinitionError

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("is not a header's name")
    return value.lower()


HeaderName = Annotated[str, AfterValidator(_header_name)]
"""A header's name in any case; kept in lower case."""


class SchemeOptions(BaseModel):
    """What a scheme takes besides `scheme` and `secret`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Options = TypeVar("Options", bound=SchemeOptions)


def read_options(model: type[Options], scheme: str, options: Mapping[str, Any]) -> Options:
    """The options of a webhook's `verification` as `model`; raises `DefinitionError` naming the first that is wrong."""
    refuse_unknown(scheme, options, frozenset(model.model_fields))
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(["verification", *map(str, first["loc"])])
        raise DefinitionError(field, first["msg"].removeprefix("Value error, ")) from None


def refuse_unknown(scheme: str, options: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise `DefinitionError` for an option the scheme does not have, with the nearest names it does have."""
    for name in options:
        if name not in known:
            raise DefinitionError(
                f"verification.{name}", f"the scheme '{scheme}' has no such option{near(name, known)}"
            )


def near(name: object, known: frozenset[str]) -> str:
    """`; did you mean 'a'?` or `; it has: a, b`, the end of a sentence about a name that does not exist."""
    if close := get_close_matches(str(name).lower(), sorted(known), n=2, cutoff=0.6):
        return "; did you mean " + " or ".join(f"'{candidate}'" for candidate in close) + "?"
    return f"; there are: {', '.join(sorted(known))}" if known else "; it has none"
