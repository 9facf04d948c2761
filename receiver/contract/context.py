"""What a flow gets of a request: `context: Context`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from receiver.contract import fetch
from receiver.contract.errors import EnvelopeError

Values = str | list[str]

_KINDS: dict[str, type[Any]] = {
    "delivery_id": str,
    "attempt": int,
    "webhook": str,
    "method": str,
    "path": str,
    "client_ip": str,
    "headers": dict,
    "query": dict,
    "params": dict,
    "verification": dict,
    "files": list,
    "received_at": str,
}


class Headers(Mapping[str, Values]):
    """Headers by name in any case; a repeated one is a list. Iterating gives the lower-case names."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Values]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> Values:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"


@dataclass(frozen=True, kw_only=True)
class FileRef:
    """An uploaded file: `await file.read()` fetches its bytes from the receiver.

    `field` is the form field's name, `filename` the sender's (never trust it as a path; None when there was none),
    `size` is in bytes, `index` the file's position in `context.files`.
    """

    field: str
    filename: str | None
    content_type: str
    size: int
    index: int
    delivery_id: str
    attempt: int = 1

    async def read(self) -> bytes:
        """The file's bytes. Raises FetchError."""
        path = f"/api/admin/deliveries/{self.delivery_id}/files/{self.index}"
        return await fetch.fetch(path, {"attempt": str(self.attempt)})


class Context:
    """One request, verified and parsed, as a flow sees it.

    Nothing of it can be set, though `data` is an ordinary value. Make one in a test with `Context.from_document`.
    Iterating gives the pairs of its envelope: that is how Prefect stores it as a run's parameter.
    """

    __slots__ = ("_by_reference", "_document", "_files", "_headers", "_received_at")

    def __init__(self, document: Mapping[str, Any], *, by_reference: bool = False) -> None:
        if not isinstance(document, Mapping) or document.get("v", 1) != 1:
            raise EnvelopeError("this is no request of the receiver's, or one of a newer version")
        for name, kind in _KINDS.items():
            if not isinstance(document.get(name, kind()), kind):
                raise EnvelopeError(f"this is no request of the receiver's: its {name} has a wrong type")
        try:
            named = {"delivery_id": document.get("delivery_id", ""), "attempt": document.get("attempt", 1)}
            headers = Headers(document.get("headers", {}))
            files = tuple(FileRef(**file, **named) for file in document.get("files", ()))
            received_at = datetime.fromisoformat(document.get("received_at", "1970-01-01T00:00:00+00:00"))
        except (TypeError, ValueError, AttributeError) as error:
            raise EnvelopeError(f"this is no request of the receiver's: {error}") from None
        if received_at.tzinfo is None:
            raise EnvelopeError("this is no request of the receiver's: received_at has no zone")
        self._document: Mapping[str, Any]
        self._by_reference: bool
        self._headers: Headers
        self._files: tuple[FileRef, ...]
        self._received_at: datetime
        for name, value in (
            ("_document", document),
            ("_by_reference", by_reference),
            ("_headers", headers),
            ("_files", files),
            ("_received_at", received_at),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, by_reference: bool = False) -> Context:
        """A Context over the plain JSON form of a request; what a document leaves out is empty.

        `{"v": 1, "data", "headers", "query", "params", "method", "path", "client_ip", "files", "delivery_id",
        "attempt", "received_at", "webhook", "verification": {"scheme", "secret"}}`. Raises EnvelopeError for what is
        no document.
        """
        return cls(document, by_reference=by_reference)

    @property
    def document(self) -> Mapping[str, Any]:
        """The plain JSON form; templates and filters see it as `$context` and `context`."""
        return self._document

    @property
    def data(self) -> Any:
        """The parsed body: any JSON value; None when there was none."""
        return self.document.get("data")

    @property
    def headers(self) -> Headers:
        """Headers by name, in any case; a repeated one is a list. Credentials are masked, their names are kept."""
        return self._headers

    @property
    def query(self) -> dict[str, Values]:
        """Query parameters; a repeated one is a list."""
        return dict(self.document.get("query", {}))

    @property
    def params(self) -> dict[str, str]:
        """Parameters of a custom path, decoded."""
        return dict(self.document.get("params", {}))

    @property
    def method(self) -> str:
        """The HTTP method, upper-case."""
        return str(self.document.get("method", ""))

    @property
    def path(self) -> str:
        """The path as it was sent, without the query."""
        return str(self.document.get("path", ""))

    @property
    def client_ip(self) -> str:
        """The sender's address, taken through trusted proxies only."""
        return str(self.document.get("client_ip", ""))

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Uploaded files, in the form's order."""
        return self._files

    @property
    def delivery_id(self) -> str:
        """The delivery's id, also in the answer's header `Webhook-Delivery-Id`."""
        return str(self._document.get("delivery_id", ""))

    @property
    def attempt(self) -> int:
        """1 at first; each replay is the next one."""
        return int(self._document.get("attempt", 1))

    @property
    def received_at(self) -> datetime:
        """When the request arrived, with its zone."""
        return self._received_at

    @property
    def webhook(self) -> str:
        """The webhook's key."""
        return str(self.document.get("webhook", ""))

    @property
    def verification(self) -> dict[str, Any]:
        """`{"scheme": "github", "secret": "current"}`: how the sender was verified, and which secret matched."""
        return dict(self.document.get("verification", {}))

    async def raw(self) -> bytes:
        """The body's bytes as they were received, or edited for this attempt. Raises FetchError."""
        return await fetch.fetch(f"/api/admin/deliveries/{self.delivery_id}/body", {"attempt": str(self.attempt)})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Context cannot be changed; keep '{name}' in a variable of your own")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Context cannot be changed; '{name}' stays")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Context) and self._document == other._document

    __hash__ = None  # type: ignore[assignment] # as of every value that holds mutable data

    def __repr__(self) -> str:
        return f"Context(webhook={self.webhook!r}, delivery_id={self.delivery_id!r}, attempt={self.attempt})"

    def __reduce__(self) -> tuple[Callable[..., Context], tuple[Any, ...]]:
        return _restore, (dict(self._document), self._by_reference)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        from receiver.contract.envelope import envelope_of

        return iter(envelope_of(self).items())

    @property
    def by_reference(self) -> bool:
        """Whether the request is too big for a parameter, so that its envelope only names it."""
        return self._by_reference

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(dict)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "title": "Context",
            "type": "object",
            "description": "A request in its envelope, as the receiver hands it over.",
            "properties": {
                "v": {"title": "Version", "type": "integer", "const": 1},
                "delivery_id": {"title": "Delivery", "type": "string"},
                "attempt": {"title": "Attempt", "type": "integer"},
                "json": {"title": "The request as JSON text", "type": "string"},
                "ref": {"title": "Whether the request is fetched from the receiver", "type": "boolean"},
            },
            "required": ["v", "delivery_id", "attempt"],
        }


class PendingContext(Context):
    """A request by reference that is not fetched yet: it knows its delivery and attempt, all else raises.

    The wrapper of `@webhook` fetches it before the flow's first line; a flow without it is told so.
    """

    __slots__ = ()

    def __init__(self, delivery_id: str, attempt: int) -> None:
        super().__init__({"v": 1, "delivery_id": delivery_id, "attempt": attempt}, by_reference=True)

    @property
    def document(self) -> Mapping[str, Any]:
        """Raises EnvelopeError."""
        raise self._unfetched()

    def _unfetched(self) -> EnvelopeError:
        return EnvelopeError(
            f"the request of delivery {self.delivery_id} travels by reference and was not fetched: put @webhook(...) "
            "above @flow, which fetches it before the flow's first line"
        )

    @property
    def headers(self) -> Headers:
        """Raises EnvelopeError."""
        raise self._unfetched()

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Raises EnvelopeError."""
        raise self._unfetched()

    @property
    def received_at(self) -> datetime:
        """Raises EnvelopeError."""
        raise self._unfetched()

    def __repr__(self) -> str:
        return f"PendingContext(delivery_id={self.delivery_id!r}, attempt={self.attempt})"

    def __reduce__(self) -> tuple[Callable[..., Context], tuple[Any, ...]]:
        return PendingContext, (self.delivery_id, self.attempt)


def _restore(document: dict[str, Any], by_reference: bool) -> Context:
    return Context(document, by_reference=by_reference)


def _validate(value: Any) -> Any:
    """A Context, or what its envelope stands for; ValueError for pydantic where it is neither."""
    from receiver.contract.envelope import decode_envelope

    if isinstance(value, Context):
        return value
    try:
        return decode_envelope(value)
    except EnvelopeError as error:
        raise ValueError(str(error)) from None
