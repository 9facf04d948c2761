"""An order as a shop or an ERP sends it. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from flows.request_body import optional_text, required_text

MOST_LINES = 1000
_LARGEST = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Without the pattern pydantic would give: a number or its text is checked by the model itself.
Amount = Annotated[
    Decimal, Field(max_digits=18, decimal_places=4), WithJsonSchema({"type": ["number", "string"], "maxLength": 40})
]


class Numbered(Protocol):
    """A line that has a number."""

    @property
    def number(self) -> int: ...


NumberedLine = TypeVar("NumberedLine", bound=Numbered)


def told_apart(lines: list[NumberedLine]) -> list[NumberedLine]:
    """The lines of an order; raises ValueError when two have the same number."""
    if len({line.number for line in lines}) < len(lines):
        raise ValueError("two lines have the same number")
    return lines


class OrderLine(BaseModel):
    """One line. `number` tells it from the others of its order, in every version of the order."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    number: int = Field(ge=1, le=_LARGEST)
    sku: required_text(100)  # type: ignore[valid-type]  # a type that a function makes
    name: optional_text(500) = None  # type: ignore[valid-type]  # likewise
    quantity: Amount
    price: Amount

    def row(self) -> dict[str, Any]:
        """As the workflow stores it."""
        return self.model_dump()


class Order(BaseModel):
    """An order with all of its lines. `updated_at` or `version` says how new it is; `version` counts if both are there.

    A source gives the same one of the two for all versions of an order.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    source: required_text(100)  # type: ignore[valid-type]  # likewise
    number: required_text(100)  # type: ignore[valid-type]  # likewise
    updated_at: AwareDatetime | None = None
    version: int | None = Field(default=None, ge=0, le=_LARGEST)
    status: optional_text(50) = None  # type: ignore[valid-type]  # likewise
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    customer_name: optional_text(200) = None  # type: ignore[valid-type]  # likewise
    customer_email: optional_text(254) = None  # type: ignore[valid-type]  # likewise
    lines: Annotated[list[OrderLine], Field(max_length=MOST_LINES), AfterValidator(told_apart)]

    @model_validator(mode="after")
    def _has_an_age(self) -> Order:
        if self.version is None and self.updated_at is None:
            raise ValueError("give updated_at or version, which say whether this is newer than what is stored")
        return self

    @property
    def revision(self) -> int:
        """Grows with every version of the order: `version`, else `updated_at` in microseconds since 1970."""
        if self.version is not None:
            return self.version
        assert self.updated_at is not None
        return (self.updated_at - _EPOCH) // timedelta(microseconds=1)

    def row(self) -> dict[str, Any]:
        """As the workflow stores it, without the lines."""
        return {**self.model_dump(exclude={"lines", "version"}), "revision": self.revision}
