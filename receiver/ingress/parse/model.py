"""What parsing gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason

Kind = Literal["none", "json", "form", "multipart", "xml", "text", "bytes"]


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """A file of a multipart form. The bytes stay in the body; `read_file` finds them again by `index`.

    `filename` is the last part of the sender's (no folders, no control characters), `size` in bytes.
    """

    field: str
    filename: str
    content_type: str
    size: int
    index: int

    def to_json(self) -> dict[str, Any]:
        """The reference as it stands in `data` and in the context's `files`."""
        return {
            "field": self.field,
            "filename": self.filename,
            "content_type": self.content_type,
            "size": self.size,
            "index": self.index,
        }


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A body as plain JSON data, its files, and what it was read as."""

    data: Any
    files: tuple[FileInfo, ...] = ()
    kind: Kind


def unreadable(problem: str) -> Unusable:
    """The exception for a body that is not what it says it is."""
    return Unusable(Reason.UNREADABLE, problem, ({"path": "body", "problem": problem},))


def too_complex(problem: str) -> Unusable:
    """The exception for a body that may well be what it says, and has more in it than is taken."""
    return Unusable(Reason.TOO_COMPLEX, problem, ({"path": "body", "problem": problem},))
