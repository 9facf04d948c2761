"""The field of a block that opens networks to calls."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator


def _checked(values: list[str]) -> list[str]:
    for value in values:
        ip_network(value)
    return values


Networks = Annotated[list[str], AfterValidator(_checked)]
"""CIDRs, `10.20.0.0/16`; a ValueError of `ipaddress` says what is none."""
