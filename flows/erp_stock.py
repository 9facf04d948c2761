"""What is asked of the stock and what its answer means for an order's lines. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from flows.erp_order import ErpLine, ErpOrder

State = Literal["accepted", "backordered", "cancelled", "unchecked"]


@dataclass(frozen=True, kw_only=True)
class CheckedLine:
    """A line and how much of it the stock has; None while nobody knows."""

    line: ErpLine
    available: Decimal | None

    @property
    def stock(self) -> Literal["in_stock", "short", "unchecked"]:
        """Whether all of its pieces are there."""
        if self.available is None:
            return "unchecked"
        return "in_stock" if self.available >= self.line.quantity else "short"

    def row(self) -> dict[str, Any]:
        """As the workflow stores it."""
        return {**vars(self.line), "available": self.available, "stock": self.stock}

    def told(self) -> dict[str, Any]:
        """As the sender is told; amounts as text, since they are exact."""
        return {
            "number": self.line.number,
            "sku": self.line.sku,
            "quantity": _text(self.line.quantity),
            "available": None if self.available is None else _text(self.available),
            "stock": self.stock,
        }


class _Item(BaseModel):
    sku: str
    available: Annotated[Decimal, Field(ge=0, le=10**13)]


class _Answer(BaseModel):
    items: list[_Item]


def question(lines: Iterable[ErpLine]) -> dict[str, Any]:
    """`{"items": [{"sku": "lamp-7", "quantity": 3.0}]}`: each SKU once, with what all of its lines want together."""
    wanted: dict[str, Decimal] = {}
    for line in lines:
        wanted[line.sku] = wanted.get(line.sku, Decimal(0)) + line.quantity
    return {"items": [{"sku": sku, "quantity": float(quantity)} for sku, quantity in wanted.items()]}


def read_answer(body: Any) -> dict[str, Decimal]:
    """How much there is of each SKU, from `{"items": [{"sku": "lamp-7", "available": 2}]}`.

    Raises ValueError, with no value of the answer in it.
    """
    try:
        answer = _Answer.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "".join(f"/{step}" for step in first["loc"]) or "its body"
        raise ValueError(f"the stock's answer cannot be read: {place}: {first['msg']}") from None
    return {item.sku: item.available for item in answer.items}


def allocate(order: ErpOrder, available: Mapping[str, Decimal]) -> tuple[CheckedLine, ...]:
    """The lines with what there is for each; two of one SKU share its pieces, in order.

    Of a SKU that is not named there is nothing.
    """
    left = dict(available)
    checked = []
    for line in order.lines:
        there = min(left.get(line.sku, Decimal(0)), line.quantity)
        left[line.sku] = left.get(line.sku, Decimal(0)) - there
        checked.append(CheckedLine(line=line, available=there.quantize(Decimal("0.0001"))))
    return tuple(checked)


def unchecked(order: ErpOrder) -> tuple[CheckedLine, ...]:
    """The lines while the stock has not been asked."""
    return tuple(CheckedLine(line=line, available=None) for line in order.lines)


def state_of(order: ErpOrder, lines: Iterable[CheckedLine]) -> State:
    """What became of the order."""
    if order.cancelled:
        return "cancelled"
    stocks = {line.stock for line in lines}
    if "unchecked" in stocks:
        return "unchecked"
    return "backordered" if "short" in stocks else "accepted"


def _text(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
