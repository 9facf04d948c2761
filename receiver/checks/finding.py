"""What a check found: one value for each thing looked at, with what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters: an error keeps something from working, a warning may."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


class Code(StrEnum):
    """The kind of a finding, for programs. The value is what `--json` and the admin API carry."""

    NOTHING_WRONG = "nothing_wrong"
    NOT_LOOKED_AT = "not_looked_at"

    # a webhook
    WEBHOOK_UNKNOWN = "webhook_unknown"
    DEFINITION_BROKEN = "definition_broken"
    PATH_CLASH = "path_clash"
    NEVER_MATCHES = "never_matches"
    SECRET_UNAVAILABLE = "secret_unavailable"  # noqa: S105 (the name of a cause)
    SECRET_UNUSABLE = "secret_unusable"  # noqa: S105 (the name of a finding)
    SECRET_INCOMPLETE = "secret_incomplete"  # noqa: S105 (the name of a finding)
    URL_UNKNOWN = "url_unknown"
    DEPLOYMENT_MISSING = "deployment_missing"
    DEPLOYMENT_PAUSED = "deployment_paused"
    DEPLOYMENT_UNSERVED = "deployment_unserved"
    PARAMETERS_INVALID = "parameters_invalid"
    SYNC_ON_SLOW_POOL = "sync_on_slow_pool"
    ALLOWLIST_BEHIND_PROXY = "allowlist_behind_proxy"
    NETWORK_SET_UNAVAILABLE = "network_set_unavailable"
    NETWORK_SET_OLD = "network_set_old"
    CERTIFICATES_UNREAD = "certificates_unread"
    WEBHOOK_PAUSED = "webhook_paused"
    WEBHOOK_DISABLED = "webhook_disabled"
    DELIVERIES_HELD = "deliveries_held"
    DELIVERIES_DEAD = "deliveries_dead"

    # Prefect
    PREFECT_UNREACHABLE = "prefect_unreachable"
    PREFECT_UNAUTHORIZED = "prefect_unauthorized"
    PREFECT_VERSION_UNSUPPORTED = "prefect_version_unsupported"
    PREFECT_VERSIONS_DIFFER = "prefect_versions_differ"
    PREFECT_OPEN = "prefect_open"
    NO_WORKER = "no_worker"
    POOL_PAUSED = "pool_paused"
    POOL_LIMIT_ZERO = "pool_limit_zero"
    QUEUE_PAUSED = "queue_paused"

    # the receiver and its inbox
    ADMIN_NOT_APART = "admin_not_apart"
    PUBLIC_URL_PLAIN = "public_url_plain"
    WARNS_NOBODY = "warns_nobody"
    CLOCK_SKEW = "clock_skew"
    INBOX_UNAVAILABLE = "inbox_unavailable"
    DATABASE_BEHIND = "database_behind"
    DATABASE_NEWER = "database_newer"
    DELIVERIES_WAIT = "deliveries_wait"
    KEY_EXPIRES = "key_expires"

    # what only a shell on this machine can see
    RECEIVER_ABSENT = "receiver_absent"
    RECEIVER_REFUSES = "receiver_refuses"
    SETTINGS_INVALID = "settings_invalid"
    PORT_TAKEN = "port_taken"
    PYTHON_UNSUPPORTED = "python_unsupported"
    HOME_OPEN = "home_open"
    DISK_NEARLY_FULL = "disk_nearly_full"
    FLOWS_HIDDEN = "flows_hidden"
    PROJECT_BROKEN = "project_broken"
    ENTRY_WITHOUT_WEBHOOK = "entry_without_webhook"
    NOT_DEPLOYED = "not_deployed"
    WEBHOOK_CONFLICT = "webhook_conflict"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. `code` is a `Code`; `subject` is what it is about, `webhook orders`; `remedy` a command or a line.

    `remedy` is empty where nothing has to be done. No text of it holds a secret.
    """

    code: str
    level: Level
    subject: str
    problem: str
    remedy: str = ""


def nothing_wrong(subject: str, problem: str) -> Finding:
    """A subject that was looked at; `problem` says what was found to be in order."""
    return Finding(code=Code.NOTHING_WRONG, level=Level.OK, subject=subject, problem=problem)


def unless_troubled(found: Sequence[Finding], in_order: Iterable[Finding]) -> list[Finding]:
    """What was found, and of `in_order` those whose subject has neither an error nor a warning."""
    troubled = {finding.subject for finding in found if finding.level is not Level.OK}
    return [*found, *(finding for finding in in_order if finding.subject not in troubled)]


def fails(findings: Iterable[Finding], *, strict: bool) -> bool:
    """Whether the check ends badly: with an error, or when `strict` with a warning too."""
    bad = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    return any(finding.level in bad for finding in findings)
