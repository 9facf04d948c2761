"""What GitLab sends when a pipeline changes, read into what the workflow needs, and what people are told of it. No I/O.

Such an event has no time of its own. Its version is the latest time it mentions, of the pipeline or one of its jobs,
and within the same moment the state that comes later in a pipeline's life. A job that is run again brings a later time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

Change = Literal["broken", "fixed"]
"""What people are told of a branch, once for each change."""

_LISTED = 20
_RANKS = {"running": 1, "success": 2, "failed": 2, "canceled": 2, "skipped": 2, "manual": 2}
_ELSEWHERE = frozenset({"merge_request_event", "parent_pipeline"})
"""Sources of pipelines that say nothing of a branch: one of a merge request, and a part of another pipeline."""


def _moment(value: Any) -> Any:
    """GitLab writes `2026-03-01 08:00:00 UTC` or ISO 8601."""
    return value.removesuffix(" UTC") + "Z" if isinstance(value, str) and value.endswith(" UTC") else value


def _with_zone(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _one_line(value: str) -> str:
    return " ".join(value.replace("\0", "").split())


Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_with_zone)]
Line = Annotated[str, AfterValidator(_one_line)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Job(_Part):
    """A job of a pipeline (GitLab: a build)."""

    name: Line
    stage: Line
    status: str
    allow_failure: bool = False
    created_at: Moment | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None


class _Attributes(_Part):
    id: int
    ref: Line = Field(max_length=255)
    tag: bool = False
    sha: str = Field(max_length=64)
    source: str = ""
    status: str = Field(max_length=50)
    url: str | None = None
    created_at: Moment
    finished_at: Moment | None = None


class _Project(_Part):
    path_with_namespace: Line = Field(max_length=500)
    web_url: str = Field(max_length=500)
    default_branch: str | None = None


class _Author(_Part):
    name: Line = ""


class _Commit(_Part):
    title: Line = ""
    author: _Author = _Author()


class Pipeline(_Part):
    """A pipeline as it was when GitLab sent the event."""

    object_kind: Literal["pipeline"]
    attributes: _Attributes = Field(alias="object_attributes")
    project: _Project
    commit: _Commit | None = None
    jobs: tuple[Job, ...] = Field(default=(), alias="builds", max_length=10_000)

    @property
    def version(self) -> int:
        """Grows with each change of the pipeline: four times the milliseconds since 1970, and the state's rank."""
        told = [self.attributes.created_at, self.attributes.finished_at]
        told += [each for job in self.jobs for each in (job.created_at, job.started_at, job.finished_at)]
        latest = max(moment for moment in told if moment is not None)
        return int(latest.timestamp() * 1000) * 4 + _RANKS.get(self.attributes.status, 0)

    @property
    def url(self) -> str:
        """Where people see it."""
        return self.attributes.url or f"{self.project.web_url}/-/pipelines/{self.attributes.id}"

    @property
    def title(self) -> str:
        """The first line of the commit's message."""
        return (self.commit.title if self.commit else "") or "(no message)"

    @property
    def author(self) -> str:
        """Who wrote the commit."""
        return (self.commit.author.name if self.commit else "") or "somebody"

    @property
    def failed_jobs(self) -> list[Job]:
        """The jobs that made it fail."""
        return [job for job in self.jobs if job.status == "failed" and not job.allow_failure]

    @property
    def judges_the_default_branch(self) -> bool:
        """Whether it has ended and says whether the default branch is in order."""
        its = self.attributes
        whole = not its.tag and its.source not in _ELSEWHERE and its.ref == self.project.default_branch
        return whole and its.status in {"failed", "success"}

    def row(self) -> dict[str, Any]:
        """As the workflow stores it."""
        return {
            "project_url": self.project.web_url,
            "pipeline_id": self.attributes.id,
            "project": self.project.path_with_namespace,
            "ref": self.attributes.ref,
            "sha": self.attributes.sha,
            "source": self.attributes.source[:50],
            "status": self.attributes.status,
            "created_at": self.attributes.created_at,
            "finished_at": self.attributes.finished_at,
            "version": self.version,
        }

    def branch_row(self) -> dict[str, Any]:
        """The branch as its newest pipeline left it."""
        its = self.attributes
        return {
            "project_url": self.project.web_url,
            "ref": its.ref,
            "status": its.status,
            "pipeline_id": its.id,
            "version": self.version,
        }


def read_pipeline(data: Any) -> Pipeline:
    """The pipeline in a request's body. Raises ValueError that names what is missing, without its value."""
    try:
        return Pipeline.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        told = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in found)
        raise ValueError(f"this is no pipeline of GitLab's: {told}") from None


def comes_late(pipeline: Pipeline, known: Mapping[str, Any] | None) -> bool:
    """Whether a newer pipeline of the branch has ended before; `known` is the branch as `branch_row` made it."""
    return known is not None and (known["pipeline_id"], known["version"]) > (pipeline.attributes.id, pipeline.version)


def change_of(pipeline: Pipeline, known: Mapping[str, Any] | None) -> Change | None:
    """What is new for people, who know the branch as it is in `known`; a branch nobody knows was in order."""
    was_broken = known is not None and known["status"] == "failed"
    is_broken = pipeline.attributes.status == "failed"
    if was_broken == is_broken:
        return None
    return "broken" if is_broken else "fixed"


def headline(pipeline: Pipeline, change: Change) -> str:
    """The message's subject."""
    return f"{pipeline.project.path_with_namespace}: {pipeline.attributes.ref} is {change}"


def summary(pipeline: Pipeline, change: Change) -> str:
    """The message that tells people of a change."""
    its = pipeline.attributes
    lines = [
        f"Pipeline {its.id} of {its.ref} in {pipeline.project.path_with_namespace} "
        + ("failed." if change == "broken" else "succeeded again."),
        "",
        f"Commit {its.sha[:8]}: {pipeline.title} ({pipeline.author})",
    ]
    if change == "broken":
        failed = pipeline.failed_jobs
        lines += [f"* failed: {job.name} (stage {job.stage})" for job in failed[:_LISTED]]
        lines += [f"* and {len(failed) - _LISTED} more"] if len(failed) > _LISTED else []
    return "\n".join([*lines, "", pipeline.url]) + "\n"
