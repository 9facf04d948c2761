"""The receiver's one door to Prefect: nothing else in the receiver imports it.

Everything here speaks to the server through Prefect's own client and returns plain values; nothing is unpickled.
"""

from receiver.prefect_gateway.gateway import PrefectGateway
from receiver.prefect_gateway.runs import RunReport
from receiver.prefect_gateway.values import (
    RUN_TAG,
    DeploymentRef,
    Handover,
    Outcome,
    PrefectState,
    PrefectUnavailable,
    ReplyEvent,
)

__all__ = [
    "RUN_TAG",
    "DeploymentRef",
    "Handover",
    "Outcome",
    "PrefectGateway",
    "PrefectState",
    "PrefectUnavailable",
    "ReplyEvent",
    "RunReport",
]
