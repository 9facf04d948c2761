"""XML as JSON data. No DTD, no entities, nothing is fetched."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped] # it has no types of its own
from defusedxml.ElementTree import XMLParser  # type: ignore[import-untyped] # it has no types of its own

from receiver.contract.errors import Unusable
from receiver.contract.plain import MAX_DEPTH, deeper_than
from receiver.ingress.parse.model import too_complex, unreadable

MOST_ELEMENTS = 100_000


def parse_xml(body: bytes, charset: str | None) -> dict[str, Any]:
    """The document as `{root: value}`. Raises `Unusable`, for a DTD too.

    An element with text alone is that text ("" when it is empty). Any other is an object: attributes as `@name`,
    children by name, a repeated child as a list, its own text as `#text` where it has any (outer white space is
    dropped beside children). Names are without namespaces and prefixes; comments and instructions are left out.
    """
    builder = _Builder()
    try:
        parser = XMLParser(target=builder, encoding=charset, forbid_dtd=True)
        parser.feed(body)
        parser.close()
    except DefusedXmlException:
        raise unreadable("XML with a document type declaration or entities is not taken") from None
    except ParseError as error:
        raise unreadable(f"not XML: {error}") from None
    except (LookupError, ValueError):
        raise unreadable("the XML names a charset that is unknown") from None
    # A repeated child puts a list between two levels of elements.
    if builder.deepest * 2 > MAX_DEPTH and deeper_than(builder.document, MAX_DEPTH):
        raise _too_much(f"more than {MAX_DEPTH} levels deep")
    return builder.document


class _Element:
    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.fields: dict[str, Any] = {f"@{_local(key)}": value for key, value in attributes.items()}
        self.text: list[str] = []
        self.has_children = False
        self.repeated: set[str] = set()

    def add(self, name: str, value: Any) -> None:
        self.has_children = True
        if name not in self.fields:
            self.fields[name] = value
        elif name in self.repeated:
            self.fields[name].append(value)
        else:
            self.repeated.add(name)
            self.fields[name] = [self.fields[name], value]

    def value(self) -> Any:
        text = "".join(self.text)
        if not self.fields:
            return text
        if self.has_children:
            text = text.strip()
        return {**self.fields, "#text": text} if text else self.fields


class _Builder:
    """What the parser calls; builds the data itself, so that depth and number are bounded while it reads."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.deepest = 0
        self._open: list[_Element] = []
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1 + len(attributes)
        if len(self._open) >= MAX_DEPTH - 1:
            raise _too_much(f"more than {MAX_DEPTH} levels deep")
        if self._elements > MOST_ELEMENTS:
            raise _too_much(f"more than {MOST_ELEMENTS} elements and attributes")
        self._open.append(_Element(_local(tag), attributes))
        self.deepest = max(self.deepest, len(self._open))

    def end(self, _tag: str) -> None:
        element = self._open.pop()
        if self._open:
            self._open[-1].add(element.name, element.value())
        else:
            self.document = {element.name: element.value()}

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)

    def close(self) -> None:
        """The parser asks for its result here; it is in `document`."""


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _too_much(problem: str) -> Unusable:
    return too_complex(f"not usable XML: {problem}")
