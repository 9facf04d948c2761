"""A signature and the moment it was made, each in a header of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.timestamps import Unit, check_age, parse_timestamp
from receiver.ingress.verify.wire import one_header


@dataclass(frozen=True)
class Stamp:
    """What the headers say: nothing of it is proven yet. `timestamp` is as it was sent, `seconds` what it means."""

    signature: bytes
    timestamp: bytes
    seconds: float

    @classmethod
    def of(cls, request: RawRequest, signature: str, timestamp: str, unit: Unit = "s") -> Stamp:
        """From the headers of these names (lower-case). Raises `Unverified`."""
        malformed = Reason.SIGNATURE_MALFORMED
        found = one_header(request, (signature,), missing=Reason.SIGNATURE_MISSING, malformed=malformed)
        at = one_header(request, (timestamp,), missing=Reason.TIMESTAMP_MISSING, malformed=Reason.TIMESTAMP_MALFORMED)
        return cls(found, at, parse_timestamp(at, unit))

    def check_age(self, now: datetime, tolerance: int | None) -> None:
        """Raise `Unverified` for what lies further from `now` than `tolerance` seconds; None takes any age.

        To be asked after the signature, so that this reason in the log means: it was the sender, and a clock is wrong.
        """
        if tolerance is not None:
            check_age(self.seconds, now, tolerance=tolerance, applies="both")
