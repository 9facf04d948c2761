"""Each rule of `webhooks check`: one thing wrong gives one finding, and everything right gives none."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.checks.finding import Code, Finding, Level, fails
from receiver.checks.judge import judge
from receiver.checks.situation import CallerFacts, KeyFacts, Situation, Troubled
from receiver.prefect_gateway.survey import Access
from tests.support.situations import (
    GOOD,
    NOW,
    POOL,
    PREFECT,
    WEBHOOK,
    with_deployment,
    with_inbox,
    with_pool,
    with_prefect,
    with_receiver,
    with_webhook,
)

ERROR, WARNING, OK = Level.ERROR, Level.WARNING, Level.OK
SYNC = replace(WEBHOOK, mode="sync")
KEY = KeyFacts(id="k-1", name="ci", scope="write", expires_at=NOW + timedelta(days=15))
SLOW = {"webhooks": replace(POOL, type="process")}

CASES: dict[str, tuple[Situation, Code, Level, str, str]] = {
    "a definition that does not compile": (
        with_webhook(definition_problem="filter: no such function"),
        *(Code.DEFINITION_BROKEN, ERROR, "webhook orders", "webhooks deploy"),
    ),
    "a broken definition made by the API": (
        with_webhook(definition_problem="filter: no such function", origin="api"),
        *(Code.DEFINITION_BROKEN, ERROR, "webhook orders", "PUT /api/admin/webhooks/orders"),
    ),
    "two webhooks for one request": (
        with_webhook(clash="key: 'orders' clashes with '{x}' of the webhook 'other'"),
        *(Code.PATH_CLASH, ERROR, "webhook orders", "webhooks deploy"),
    ),
    "another webhook gets everything": (
        with_webhook(clash="key: clashes", taken_by="other"),
        *(Code.NEVER_MATCHES, ERROR, "webhook orders", "Change the path"),
    ),
    "no secret": (
        with_webhook(secret_problem="block:webhook-secret/orders: make the block webhook-secret/orders"),
        *(Code.SECRET_UNAVAILABLE, ERROR, "webhook orders", "make the block webhook-secret/orders"),
    ),
    "no secret in the environment, Prefect away": (
        replace(
            with_webhook(secret="env:ORDERS", secret_problem="env:ORDERS: set the environment variable"),
            prefect=replace(PREFECT, access=Access.UNREACHABLE),
        ),
        *(Code.SECRET_UNAVAILABLE, ERROR, "webhook orders", "set the environment variable"),
    ),
    "no deployment": (
        with_prefect(deployments={}),
        *(Code.DEPLOYMENT_MISSING, ERROR, "webhook orders", "webhooks deploy"),
    ),
    "no deployment that the API bound": (
        replace(with_prefect(deployments={}), webhooks=(replace(WEBHOOK, origin="api"),)),
        *(Code.DEPLOYMENT_MISSING, ERROR, "webhook orders", "prefect deployment ls"),
    ),
    "a paused deployment": (
        with_deployment(paused=True),
        *(Code.DEPLOYMENT_PAUSED, OK, "webhook orders", ""),
    ),
    "a deployment nobody serves": (
        with_deployment(pool=None, queue=None, ready=False),
        *(Code.DEPLOYMENT_UNSERVED, ERROR, "webhook orders", "Name a work pool"),
    ),
    "a paused work queue": (
        with_pool(paused_queues=frozenset({"default"})),
        *(Code.QUEUE_PAUSED, ERROR, "webhook orders", "prefect work-queue resume default --pool webhooks"),
    ),
    "parameters that cannot fit": (
        with_webhook(parameters_problem="customer_id: is missing"),
        *(Code.PARAMETERS_INVALID, ERROR, "webhook orders", "webhooks deploy"),
    ),
    "sync on a slow pool": (
        replace(with_prefect(pools=SLOW), webhooks=(SYNC,)),
        *(Code.SYNC_ON_SLOW_POOL, WARNING, "webhook orders", "type warm"),
    ),
    "sync on what is served": (
        replace(with_deployment(pool=None, queue=None), webhooks=(SYNC,)),
        *(Code.SYNC_ON_SLOW_POOL, WARNING, "webhook orders", "type warm"),
    ),
    "an allowlist behind a proxy": (
        with_webhook(callers=CallerFacts(proxied="the latest request that was refused came from 10.0.0.1")),
        *(Code.ALLOWLIST_BEHIND_PROXY, WARNING, "webhook orders", "WEBHOOKS_TRUSTED_PROXIES"),
    ),
    "a set of networks that is not there": (
        with_webhook(callers=CallerFacts(lost_sets="set:github-hooks: was not fetched")),
        *(Code.NETWORK_SET_UNAVAILABLE, ERROR, "webhook orders", "WEBHOOKS_NETWORK_SETS"),
    ),
    "a set of networks that grows old": (
        with_webhook(callers=CallerFacts(old_sets="set:github-hooks: was not fetched")),
        *(Code.NETWORK_SET_OLD, WARNING, "webhook orders", "WEBHOOKS_NETWORK_SETS"),
    ),
    "client certificates that nobody passes on": (
        with_webhook(callers=CallerFacts(no_certificates=True)),
        *(Code.CERTIFICATES_UNREAD, ERROR, "webhook orders", "WEBHOOKS_CLIENT_CERT_HEADER"),
    ),
    "a paused webhook": (
        with_webhook(state="paused"),
        *(Code.WEBHOOK_PAUSED, OK, "webhook orders", "webhooks enable orders"),
    ),
    "a disabled webhook": (
        with_webhook(state="disabled"),
        *(Code.WEBHOOK_DISABLED, OK, "webhook orders", "webhooks enable orders"),
    ),
    "a secret that lacks a part": (
        with_webhook(scheme="dingtalk", secret_unusable="the webhook's secret is to be {...}: it has no 'aes_key'"),
        *(Code.SECRET_UNUSABLE, ERROR, "webhook orders", "webhooks schemes dingtalk"),
    ),
    "a secret without which only the check of the URL fails": (
        with_webhook(scheme="meta", secret_gap="its secret has no 'verify_token'"),
        *(Code.SECRET_INCOMPLETE, WARNING, "webhook orders", "webhooks schemes meta"),
    ),
    "a signed URL that nobody told": (
        with_webhook(scheme="twilio", signs_url=True),
        *(Code.URL_UNKNOWN, WARNING, "webhook orders", "WEBHOOKS_PUBLIC_URL"),
    ),
    "a key that expires soon": (
        replace(GOOD, keys=(replace(KEY, expires_at=NOW + timedelta(days=14)),)),
        *(Code.KEY_EXPIRES, WARNING, "key ci", "webhooks keys create ci --scope write --expires 90d"),
    ),
    "a key that has expired": (
        replace(GOOD, keys=(replace(KEY, expires_at=NOW - timedelta(days=400)),)),
        *(Code.KEY_EXPIRES, WARNING, "key ci", "webhooks keys revoke k-1"),
    ),
    "held deliveries": (
        with_inbox(troubled={"orders": Troubled(held=1, dead=0)}),
        *(Code.DELIVERIES_HELD, WARNING, "webhook orders", "--status held"),
    ),
    "dead deliveries": (
        with_inbox(troubled={"orders": Troubled(held=0, dead=1000, more=True)}),
        *(Code.DELIVERIES_DEAD, WARNING, "webhook orders", "--status dead"),
    ),
    "a webhook that is not there": (
        replace(GOOD, webhooks=(), asked_for="odrers"),
        *(Code.WEBHOOK_UNKNOWN, ERROR, "webhook odrers", "webhooks list"),
    ),
    "Prefect away": (
        with_prefect(access=Access.UNREACHABLE, problem="it did not answer within 5 s"),
        *(Code.PREFECT_UNREACHABLE, ERROR, "Prefect", "PREFECT_API_URL"),
    ),
    "Prefect closed to us": (
        with_prefect(access=Access.UNAUTHORIZED, problem="it answered 401"),
        *(Code.PREFECT_UNAUTHORIZED, ERROR, "Prefect", "PREFECT_API_AUTH_STRING"),
    ),
    "a server of another time": (
        with_prefect(server_version="3.4.0"),
        *(Code.PREFECT_VERSION_UNSUPPORTED, ERROR, "Prefect", "pip install 'prefect>=3.8,<4'"),
    ),
    "two versions of Prefect": (
        with_prefect(server_version="3.9.0"),
        *(Code.PREFECT_VERSIONS_DIFFER, WARNING, "Prefect", "pip install prefect==3.9.0"),
    ),
    "a Prefect open to anybody": (
        with_prefect(open=True),
        *(Code.PREFECT_OPEN, WARNING, "Prefect", "PREFECT_SERVER_API_AUTH_STRING"),
    ),
    "no worker": (
        with_pool(online=0, last_heartbeat=NOW - timedelta(minutes=7)),
        *(Code.NO_WORKER, ERROR, "work pool webhooks", "prefect worker start --pool webhooks --type warm"),
    ),
    "a paused pool": (
        with_pool(paused=True),
        *(Code.POOL_PAUSED, ERROR, "work pool webhooks", "prefect work-pool resume webhooks"),
    ),
    "a pool that may run nothing": (
        with_pool(concurrency_limit=0),
        *(Code.POOL_LIMIT_ZERO, ERROR, "work pool webhooks", "prefect work-pool clear-concurrency-limit webhooks"),
    ),
    "the admin API in public": (
        with_receiver(public_url="https://hooks.example.com", warns=True),
        *(Code.ADMIN_NOT_APART, WARNING, "receiver", "/api/webhooks/"),
    ),
    "a public address without TLS": (
        with_receiver(public_url="http://hooks.example.com", admin_apart=True, warns=True),
        *(Code.PUBLIC_URL_PLAIN, WARNING, "receiver", "WEBHOOKS_PUBLIC_URL=https://hooks.example.com"),
    ),
    "warnings that nobody hears": (
        with_receiver(public_url="https://hooks.example.com", admin_apart=True),
        *(Code.WARNS_NOBODY, WARNING, "receiver", "webhooks alerts --test"),
    ),
    "Prefect's clock": (
        with_prefect(clock_ahead=-61.0),
        *(Code.CLOCK_SKEW, WARNING, "Prefect", "timedatectl"),
    ),
    "the database's clock": (with_inbox(clock_ahead=5.5), *(Code.CLOCK_SKEW, WARNING, "inbox", "timedatectl")),
    "an inbox that cannot be read": (
        with_inbox(problem="the inbox cannot be read: disk I/O error"),
        *(Code.INBOX_UNAVAILABLE, ERROR, "inbox", "WEBHOOKS_DATABASE_URL"),
    ),
    "older tables": (with_inbox(revision="0001"), *(Code.DATABASE_BEHIND, ERROR, "inbox", "one version")),
    "newer tables": (with_inbox(revision="0099", newer=True), *(Code.DATABASE_NEWER, ERROR, "inbox", "one version")),
    "a backlog": (
        with_inbox(waiting=3, oldest_due_at=NOW - timedelta(minutes=2)),
        *(Code.DELIVERIES_WAIT, WARNING, "inbox", "webhooks deliveries --status queued"),
    ),
}


def of_note(situation: Situation) -> list[Finding]:
    return [finding for finding in judge(situation) if finding.code != Code.NOTHING_WRONG]


@pytest.mark.parametrize("case", CASES)
def test_one_thing_wrong_is_one_finding_with_its_remedy(case: str):
    situation, code, level, subject, remedy = CASES[case]
    [found] = of_note(situation) if situation.prefect.access is Access.OPENED else by_code(situation, code)
    assert (found.code, found.level, found.subject) == (code, level, subject)
    assert remedy in found.remedy
    assert found.problem


def by_code(situation: Situation, code: Code) -> list[Finding]:
    """With Prefect away it is one finding more."""
    assert {finding.code for finding in of_note(situation)} <= {code, Code.PREFECT_UNREACHABLE}
    return [finding for finding in of_note(situation) if finding.code == code]


def test_findings_stand_by_their_subject_whatever_was_found():
    found = judge(replace(with_pool(paused=True), webhooks=(replace(WEBHOOK, clash="clashes"),)))
    assert [finding.subject for finding in found] == [
        *("receiver", "inbox", "Prefect", "work pool webhooks", "webhook orders")
    ]


def test_where_everything_works_each_subject_says_so_once():
    found = judge(GOOD)
    assert [finding.subject for finding in found] == [
        *("receiver", "inbox", "Prefect", "work pool webhooks", "webhook orders")
    ]
    assert {finding.code for finding in found} == {Code.NOTHING_WRONG}
    assert not fails(found, strict=True)


@pytest.mark.parametrize(
    "situation",
    [
        with_webhook(mode="sync"),
        replace(with_prefect(pools={}), webhooks=(SYNC,)),
        with_prefect(deployments={}, looked_for=frozenset()),
        with_prefect(clock_ahead=4.9),
        with_prefect(client_version="3.8.1", server_version="3.8.1"),
        with_pool(online=0, type="ecs:push"),
        with_pool(paused_queues=frozenset({"another"})),
        with_pool(concurrency_limit=1),
        with_inbox(waiting=3, oldest_due_at=NOW - timedelta(seconds=59)),
        with_inbox(troubled={"another": Troubled(held=1, dead=1)}),
        with_receiver(public_url="http://localhost:8000", admin_apart=True, warns=True),
        with_deployment(pool=None, queue=None),
    ],
)
def test_what_looks_alike_and_works_is_no_finding(situation: Situation):
    assert of_note(situation) == []


def test_with_prefect_away_nothing_is_said_of_what_only_it_knows():
    away: dict[str, Any] = {"access": Access.UNREACHABLE, "deployments": {}, "pools": {}, "looked_for": frozenset()}
    situation = replace(with_webhook(secret_problem="Prefect did not answer"), prefect=replace(PREFECT, **away))
    assert [finding.code for finding in of_note(situation)] == [Code.PREFECT_UNREACHABLE]
    [webhook] = [finding for finding in judge(situation) if finding.subject == "webhook orders"]
    assert "not known" in webhook.problem


def test_of_a_definition_that_does_not_compile_nothing_else_is_judged():
    situation = with_webhook(definition_problem="filter: wrong", taken_by="other", secret_problem="gone", mode="sync")
    assert [finding.code for finding in of_note(situation)] == [Code.DEFINITION_BROKEN]


def test_what_would_not_work_of_a_disabled_webhook_is_a_warning():
    found = of_note(replace(with_prefect(deployments={}), webhooks=(replace(WEBHOOK, state="disabled"),)))
    assert {finding.code: finding.level for finding in found} == {
        Code.WEBHOOK_DISABLED: OK,
        Code.DEPLOYMENT_MISSING: WARNING,
    }


def test_both_sides_outside_the_supported_versions_are_named():
    found = of_note(with_prefect(server_version="4.0.0", client_version="nonsense"))
    assert [finding.code for finding in found] == [Code.PREFECT_VERSION_UNSUPPORTED] * 2
    assert "the server has Prefect 4.0.0" in found[0].problem
    assert "the receiver has Prefect nonsense" in found[1].problem


def test_a_pools_name_cannot_be_a_command_of_its_own():
    odd = replace(POOL, name="a; rm -rf b", online=0)
    found = of_note(replace(with_prefect(pools={odd.name: odd}), webhooks=()))
    assert "--pool 'a; rm -rf b'" in found[0].remedy


def test_an_error_fails_the_check_and_a_warning_only_when_strict():
    warnings, errors = judge(with_prefect(open=True)), judge(with_pool(paused=True))
    assert not fails(warnings, strict=False)
    assert fails(warnings, strict=True)
    assert fails(errors, strict=False)
