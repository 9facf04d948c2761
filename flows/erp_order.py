"""An order as ERPNext, Odoo or WooCommerce sends it, read into one model. No I/O.

- ERPNext: the document `Sales Order` with `items`.
- Odoo: `sale.order` with `_id` and `_model`; `order_line` holds the lines' fields. Odoo's own webhook action sends a
  relation as ids alone, which is a problem that says so.
- WooCommerce: the order with `line_items`.

Times without a zone are taken as UTC, which WooCommerce and Odoo mean by them; ERPNext writes its site's own time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from flows.order_message import MOST_LINES, told_apart
from flows.request_body import optional_text, read_text, required_text

_LARGEST = 2**63 - 1
_NOTES = frozenset({"line_section", "line_subsection", "line_note"})
_WOO_ENDED = frozenset({"cancelled", "refunded", "failed", "trash"})
_CODE = re.compile(r"\[([^\]]{1,140})\]\s*(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ErpLine:
    """One line. `number` tells it from the others of its order; `total` is what all pieces together cost."""

    number: int
    sku: str
    name: str | None
    quantity: Decimal
    total: Decimal


@dataclass(frozen=True, kw_only=True)
class ErpOrder:
    """An order with all of its lines. `external_id` is its sender's id, `number` what people call it."""

    system: Literal["erpnext", "odoo", "woocommerce"]
    external_id: str
    number: str
    changed_at: datetime
    status: str
    currency: str
    customer: str | None
    cancelled: bool
    lines: tuple[ErpLine, ...]


def read_order(data: Any) -> ErpOrder:
    """The order in a body. Raises pydantic's ValidationError with every problem, each at its place in that body."""
    for sign, model in _MODELS.items():
        if isinstance(data, Mapping) and sign in data:
            return model.model_validate(data).order()
    problem = PydanticCustomError(
        "shape", "is no order: give ERPNext's (doctype), Odoo's (_model) or WooCommerce's (line_items)"
    )
    raise ValidationError.from_exception_data("order", [InitErrorDetails(type=problem, loc=(), input=None)])


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _four_places(value: Any) -> Any:
    """ERPs reckon with binary fractions, and send 39.800000000000004; text is taken as it is written."""
    return round(value, 4) if isinstance(value, float) else value


def _false_is_nothing(value: Any) -> Any:
    return None if value is False else value


def _name_of(value: Any) -> Any:
    """The name in Odoo's pair of id and name; false is Odoo's null."""
    return _false_is_nothing(value[1] if isinstance(value, list) and len(value) == 2 else value)


def _with_fields(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("is no object: send the fields of each line, not its id alone")  # noqa: TRY004 (told by pydantic)
    return value


_Amount = Annotated[Decimal, BeforeValidator(_four_places), Field(max_digits=18, decimal_places=4)]
_Quantity = Annotated[_Amount, Field(ge=0)]
_Moment = Annotated[datetime, AfterValidator(_in_utc)]
_Number = Annotated[int, Field(ge=1, le=_LARGEST)]
_Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
_Sku, _Name, _Id = required_text(140), optional_text(500), required_text(140)
_Fields = BeforeValidator(_with_fields)
_Lines = (Field(max_length=MOST_LINES), AfterValidator(told_apart))


class _Shape(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class _ErpNextLine(_Shape):
    number: _Number = Field(alias="idx")
    sku: _Sku = Field(alias="item_code")  # type: ignore[valid-type]  # a type that a function makes
    name: _Name = Field(default=None, alias="item_name")  # type: ignore[valid-type]  # likewise
    quantity: _Quantity = Field(alias="qty")
    total: _Amount = Field(alias="amount")

    def line(self) -> ErpLine:
        return ErpLine(**self.model_dump())


class _ErpNextOrder(_Shape):
    doctype: Literal["Sales Order"]
    name: _Id  # type: ignore[valid-type]  # likewise
    modified: _Moment
    docstatus: Literal[0, 1, 2]
    status: _Id  # type: ignore[valid-type]  # likewise
    currency: _Currency
    customer_name: _Name = None  # type: ignore[valid-type]  # likewise
    items: Annotated[list[Annotated[_ErpNextLine, _Fields]], *_Lines]

    def order(self) -> ErpOrder:
        return ErpOrder(
            system="erpnext",
            external_id=self.name,
            number=self.name,
            changed_at=self.modified,
            status=self.status,
            currency=self.currency,
            customer=self.customer_name,
            cancelled=self.docstatus == 2,
            lines=tuple(line.line() for line in self.items),
        )


def _with_code(value: str | None) -> str | None:
    name = read_text(value)
    if name is not None and not _CODE.fullmatch(name):
        raise ValueError("is not [id, '[internal reference] name']: the internal reference is the line's SKU")
    return name


class _OdooLine(_Shape):
    number: _Number = Field(alias="id")
    kind: Annotated[str | None, BeforeValidator(_false_is_nothing)] = Field(default=None, alias="display_type")
    product: Annotated[str | None, Field(max_length=500), AfterValidator(_with_code), BeforeValidator(_name_of)] = (
        Field(alias="product_id")
    )
    quantity: _Quantity = Field(alias="product_uom_qty")
    total: _Amount = Field(alias="price_subtotal")

    @model_validator(mode="after")
    def _has_a_product(self) -> Self:
        if self.product is None and not self.is_note:
            raise ValueError("has no product_id")
        return self

    @property
    def is_note(self) -> bool:
        """Whether it is a heading or a remark among the lines."""
        return self.kind in _NOTES

    def line(self) -> ErpLine:
        found = _CODE.fullmatch(self.product or "")
        assert found is not None
        return ErpLine(
            number=self.number, sku=found[1], name=found[2] or None, quantity=self.quantity, total=self.total
        )


class _OdooOrder(_Shape):
    model: Literal["sale.order"] = Field(alias="_model")
    id: _Id = Field(alias="_id")  # type: ignore[valid-type]  # likewise
    name: _Id  # type: ignore[valid-type]  # likewise
    write_date: _Moment
    state: _Id  # type: ignore[valid-type]  # likewise
    currency: Annotated[_Currency, BeforeValidator(_name_of)] = Field(alias="currency_id")
    customer: Annotated[_Name, BeforeValidator(_name_of)] = Field(default=None, alias="partner_id")  # type: ignore[valid-type]  # likewise
    order_line: Annotated[list[Annotated[_OdooLine, _Fields]], *_Lines]

    def order(self) -> ErpOrder:
        return ErpOrder(
            system="odoo",
            external_id=self.id,
            number=self.name,
            changed_at=self.write_date,
            status=self.state,
            currency=self.currency,
            customer=self.customer,
            cancelled=self.state == "cancel",
            lines=tuple(line.line() for line in self.order_line if not line.is_note),
        )


class _WooLine(_Shape):
    number: _Number = Field(alias="id")
    sku: _Sku  # type: ignore[valid-type]  # likewise
    name: _Name = None  # type: ignore[valid-type]  # likewise
    quantity: _Quantity
    total: _Amount

    def line(self) -> ErpLine:
        return ErpLine(**self.model_dump())


class _WooBilling(_Shape):
    first_name: _Name = None  # type: ignore[valid-type]  # likewise
    last_name: _Name = None  # type: ignore[valid-type]  # likewise


class _WooOrder(_Shape):
    id: _Id  # type: ignore[valid-type]  # likewise
    number: _Id  # type: ignore[valid-type]  # likewise
    date_modified_gmt: _Moment
    status: _Id  # type: ignore[valid-type]  # likewise
    currency: _Currency
    billing: _WooBilling = _WooBilling()
    line_items: Annotated[list[Annotated[_WooLine, _Fields]], *_Lines]

    def order(self) -> ErpOrder:
        return ErpOrder(
            system="woocommerce",
            external_id=self.id,
            number=self.number,
            changed_at=self.date_modified_gmt,
            status=self.status,
            currency=self.currency,
            customer=" ".join(filter(None, (self.billing.first_name, self.billing.last_name))) or None,
            cancelled=self.status in _WOO_ENDED,
            lines=tuple(line.line() for line in self.line_items),
        )


_MODELS: dict[str, type[_ErpNextOrder | _OdooOrder | _WooOrder]] = {
    "doctype": _ErpNextOrder,
    "_model": _OdooOrder,
    "line_items": _WooOrder,
}
"""By the field that tells whose order it is."""
