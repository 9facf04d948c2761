"""Every error of the admin API as `application/problem+json` (RFC 9457). HTTP statuses are mapped here alone.

No answer repeats a value that was sent: it may be a secret.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from receiver.bodies import BodyGone
from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.prefect_gateway import PrefectUnavailable
from receiver.storage import StoreUnavailable

_LOG = logging.getLogger("webhooks.admin")
_MOST_PROBLEMS = 20
_LONGEST_NAME = 100


class Problem(WebhooksError):
    """An answer that is not the one asked for: `detail` says what to do; `members` are further fields of the answer."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> Response:
        """The answer as it goes out."""
        content = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        # In ASCII: names that were sent may hold half of a surrogate pair, which UTF-8 cannot.
        return Response(json.dumps(content), self.status, self.headers, media_type="application/problem+json")


def problem_from(error: Exception) -> Problem:
    """The problem that an exception is to the caller. What nobody expected is logged and not told."""
    match error:
        case Problem():
            return error
        case DefinitionError():
            return Problem(422, str(error), field=error.field, problems=[_entry(error.field, error.problem)])
        case RequestValidationError():
            return _from_validation(error.errors())
        case HTTPException():
            return Problem(error.status_code, str(error.detail), headers=error.headers)
        case BodyGone():
            return Problem(
                410, "The body of this delivery is not where it was kept: the inbox was restored without it."
            )
        case StoreUnavailable() | PrefectUnavailable():
            return Problem(503, str(error), headers={"Retry-After": "5"})
        case ClientDisconnect():
            return Problem(400, "The request ended before its body did.")
    _LOG.error("The admin API failed", exc_info=error)
    return Problem(500, "The receiver failed while it answered; its log has the cause.")


def _from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    entries = [_entry(_place(error["loc"]), str(error["msg"])) for error in errors[:_MOST_PROBLEMS]]
    first = entries[0]
    return Problem(422, f"{first['path']}: {first['problem']}", problems=entries)


def _place(location: Sequence[str | int]) -> str:
    return ".".join(str(part)[:_LONGEST_NAME] for part in location)


def _entry(path: str, problem: str) -> dict[str, str]:
    return {"path": path, "problem": problem}


class ProblemModel(BaseModel):
    """A problem (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no webhook 'orders'.",
                }
            ]
        },
    )

    type: str = Field(description="Always `about:blank`: the status tells the kind.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong and what to do.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for OpenAPI: these statuses and those that every route of the admin API has."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {"application/problem+json": {"schema": schema}}}
        for status in sorted({401, 403, 422, 429, *statuses})
    }
