"""What the dispatcher needs of an orchestrator, and a double that records. Prefect's gateway is the real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from receiver.prefect_gateway import DeploymentRef, Handover, Outcome, PrefectState


class Orchestrator(Protocol):
    """Starts runs and tells their states; see `PrefectGateway` for each method's promise."""

    async def healthy(self) -> bool: ...

    async def resolve_deployment(self, name: str) -> DeploymentRef | None: ...

    async def create_run(
        self,
        deployment_id: str,
        *,
        parameters: Mapping[str, Any],
        idempotency_key: str,
        name: str,
        tags: Sequence[str],
        scheduled_at: datetime | None = None,
    ) -> Handover: ...

    async def find_run(self, idempotency_key: str) -> str | None: ...

    async def read_states(self, flow_run_ids: Sequence[str]) -> list[PrefectState]: ...

    def states(self) -> AsyncGenerator[PrefectState, None]: ...


@dataclass
class RecordingOrchestrator:
    """An orchestrator without a server: remembers what was asked, answers as told.

    `answers` maps an idempotency key to the outcomes of its hand-overs in turn, an exception among them is raised;
    the last one stays. Without an entry a run is created, or exists when the key was seen.
    """

    deployments: dict[str, DeploymentRef] = field(default_factory=dict)
    answers: dict[str, list[Handover | Exception]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    run_states: dict[str, PrefectState] = field(default_factory=dict)
    is_healthy: bool = True
    found: dict[str, str] = field(default_factory=dict)
    probes: int = 0

    async def healthy(self) -> bool:
        self.probes += 1
        return self.is_healthy

    async def resolve_deployment(self, name: str) -> DeploymentRef | None:
        return self.deployments.get(name)

    async def create_run(
        self,
        deployment_id: str,
        *,
        parameters: Mapping[str, Any],
        idempotency_key: str,
        name: str,
        tags: Sequence[str],
        scheduled_at: datetime | None = None,
    ) -> Handover:
        seen = any(call["idempotency_key"] == idempotency_key for call in self.asked)
        self.asked.append(
            {
                "deployment_id": deployment_id,
                "parameters": dict(parameters),
                "idempotency_key": idempotency_key,
                "name": name,
                "tags": list(tags),
                "scheduled_at": scheduled_at,
            }
        )
        if planned := self.answers.get(idempotency_key):
            answer = planned.pop(0) if len(planned) > 1 else planned[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        return Handover(outcome=Outcome.EXISTS if seen else Outcome.CREATED, flow_run_id=f"run-of-{idempotency_key}")

    async def find_run(self, idempotency_key: str) -> str | None:
        return self.found.get(idempotency_key)

    async def read_states(self, flow_run_ids: Sequence[str]) -> list[PrefectState]:
        return [self.run_states[run_id] for run_id in flow_run_ids if run_id in self.run_states]

    async def states(self) -> AsyncGenerator[PrefectState, None]:
        for state in list(self.run_states.values()):
            yield state
