"""A request's body read into a pydantic model, and the answer to one that does not fit. No I/O.

The model serves twice: its JSON Schema, as the webhook's `schema`, turns most of what does not fit away before a run
is made; the flow reads the model itself and answers what a schema cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError, WithJsonSchema

from receiver import Reply


def read_text(value: str | None) -> str | None:
    """Text without space around it; None when nothing is left. Raises ValueError for a NUL, which no database keeps."""
    if value is not None and "\x00" in value:
        raise ValueError("holds a NUL character")
    return (value or "").strip() or None


def optional_text(longest: int) -> Any:
    """The type of text that may be missing, empty or null, which are all None; of a number too, as text."""
    schema = {"type": ["string", "number", "null"], "maxLength": longest}
    return Annotated[str | None, Field(max_length=longest), AfterValidator(read_text), WithJsonSchema(schema)]


def required_text(longest: int) -> Any:
    """The type of text that must be there; a number is taken as text."""
    schema = {"type": ["string", "number"], "minLength": 1, "maxLength": longest}
    return Annotated[str, Field(max_length=longest), AfterValidator(_there), WithJsonSchema(schema)]


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON Schema without its titles and descriptions, which say nothing to a sender."""
    return dict(_plain(model.model_json_schema()))


def problems_of(error: ValidationError) -> list[dict[str, str]]:
    """`[{"path": "/lines/0/sku", "problem": "..."}]`, at most 20, with no value of the body in it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:20]
    return [
        {
            "path": "".join(f"/{step}" for step in problem["loc"]),
            "problem": problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "),
        }
        for problem in found
    ]


def unprocessable(error: ValidationError) -> Reply:
    """422 with the problems, in the form in which the receiver itself refuses a body."""
    body = {
        "type": "about:blank",
        "title": "Body not as agreed",
        "status": 422,
        "detail": "The body cannot be used. Mend it and send it again.",
        "problems": problems_of(error),
    }
    return Reply(status=422, body=body, headers={"Content-Type": "application/problem+json"})


def _there(value: str) -> str:
    text = read_text(value)
    if text is None:
        raise ValueError("is empty")
    return text


def _plain(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {
            name: {field: _plain(item) for field, item in value.items()} if name == "properties" else _plain(value)
            for name, value in schema.items()
            if not (name in {"title", "description"} and isinstance(value, str))
        }
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema
