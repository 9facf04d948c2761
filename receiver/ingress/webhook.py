"""A webhook ready to serve: its definition with everything compiled that can be compiled once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from receiver.contract.definition import DEFAULT_MAX_BODY, Deduplication, WebhookDefinition
from receiver.contract.errors import DefinitionError
from receiver.contract.fields import KEY_ROOTS
from receiver.contract.paths import TOKEN_SEGMENT
from receiver.contract.quantities import parse_rate
from receiver.contract.templates import Template, compile_template
from receiver.deliveries.records import Sharing
from receiver.deliveries.sweeper import Keeps
from receiver.ingress.allowlist import Allowlist, parse_allowlist
from receiver.ingress.cors import Cors
from receiver.ingress.filter import Filter, compile_filter
from receiver.ingress.rate import Rate
from receiver.ingress.schema import BodySchema, compile_schema
from receiver.ingress.verify import build_scheme
from receiver.ingress.verify.base import Scheme
from receiver.replies.render import CompiledResponse

DEFAULT_WINDOW = timedelta(days=4)
DEFAULT_TIMEOUT = 10.0


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """What ingress needs to judge and answer a request. `response` is None where the plain answer is given.

    `maps_parameters` is False where every parameter is the whole context: no request that was read can break those.
    `problem` says what is wrong with a stored definition that no longer compiles (after an upgrade, say): its
    requests are answered 503, so that senders try again, and nothing else of it is used. With `split`, filter, schema,
    parameters, event id and ordering key are for each item of the request; `sharing` lets deliveries share a run.
    `by_reference`: no request of it is put into a run's parameters. `guards_replay`: a request that comes once more
    under another event id is a duplicate.
    """

    key: str
    path: str | None
    revision: int
    state: str
    methods: tuple[str, ...]
    mode: str
    timeout: float
    on_timeout: int
    deployment: str
    scheme: Scheme
    secret: str | None
    allowlist: Allowlist | None
    filter: Filter | None
    schema: BodySchema | None
    parameters: Template
    maps_parameters: bool
    event_id: Template | None
    window: timedelta
    response: CompiledResponse | None
    hold_invalid: bool
    max_body: int
    by_reference: bool = False
    rate: Rate | None = None
    cors: Cors | None = None
    split: Template | None = None
    ordering_key: Template | None = None
    sharing: Sharing | None = None
    keeps: Keeps = field(default_factory=Keeps)
    guards_replay: bool = False
    problem: str = ""

    @property
    def is_open(self) -> bool:
        """Whether anybody may call it, so that nothing about its sender is proven."""
        return self.scheme.name == "none"


def compile_webhook(definition: WebhookDefinition, *, revision: int, state: str) -> Webhook:
    """Compile a definition; raises `DefinitionError` naming the field that cannot be used."""
    scheme = build_scheme(definition.verification)
    if not definition.deployment:
        raise DefinitionError("deployment", "name the Prefect deployment to run, as flow-name/deployment-name")
    if scheme.strength == "identifier" and not definition.ip_allowlist:
        raise DefinitionError(
            "ip_allowlist",
            f"is needed with the scheme '{scheme.name}', which proves no more than a name that others may know: "
            "list the sender's networks, or take the scheme 'url-token'",
        )
    event_id, window = _deduplication(definition, scheme)
    batch = definition.batch
    parameters = definition.parameters_template()
    return Webhook(
        key=definition.key,
        path=definition.served_path,
        revision=revision,
        state=state,
        methods=definition.methods,
        mode=definition.mode,
        timeout=definition.timeout or scheme.answer_deadline or DEFAULT_TIMEOUT,
        on_timeout=definition.on_timeout or 202,
        deployment=definition.deployment,
        scheme=scheme,
        secret=definition.secret,
        allowlist=parse_allowlist(definition.ip_allowlist) if definition.ip_allowlist else None,
        filter=compile_filter(definition.filter) if definition.filter else None,
        schema=compile_schema(definition.body_schema) if definition.body_schema is not None else None,
        parameters=parameters,
        maps_parameters=not all(child.is_root("context") for child in parameters.children().values()),
        event_id=event_id,
        window=window,
        response=CompiledResponse.of(definition.response) if definition.response else None,
        hold_invalid=scheme.hold_invalid if definition.on_invalid is None else definition.on_invalid == "hold",
        max_body=definition.max_body or scheme.default_max_body or DEFAULT_MAX_BODY,
        rate=Rate(*parse_rate(definition.rate_limit)) if definition.rate_limit else None,
        cors=Cors(frozenset(definition.cors)) if definition.cors else None,
        by_reference=definition.payload == "reference",
        split=_split(definition, scheme),
        ordering_key=definition.ordering_template(),
        sharing=Sharing(max_size=batch.max_size, max_wait=batch.max_wait) if batch else None,
        keeps=Keeps(body=kept.body, row=kept.row) if (kept := definition.retention) else Keeps(),
        guards_replay=definition.verification.get("replay_guard", scheme.guards_replay),
    )


def broken_webhook(key: str, path: str | None, problem: str, *, revision: int, state: str) -> Webhook:
    """The place of a stored definition that does not compile: known, so not a 404 (unless disabled), but not served."""
    # Where a token stands in the path, it is masked also of a webhook that is not served.
    by_token = path is not None and path.endswith(TOKEN_SEGMENT)
    verification = {"scheme": "url-token", "secret": "block:secret/none"} if by_token else {"scheme": "none"}
    definition = WebhookDefinition(key=key, deployment="none/none", verification=verification)
    return replace(compile_webhook(definition, revision=revision, state=state), path=path, problem=problem)


def _split(definition: WebhookDefinition, scheme: Scheme) -> Template | None:
    if definition.split is None and scheme.split is not None and definition.mode == "async":
        return compile_template(scheme.split, roots=KEY_ROOTS)
    return definition.split_template()


def _deduplication(definition: WebhookDefinition, scheme: Scheme) -> tuple[Template | None, timedelta]:
    chosen = definition.deduplicate
    if chosen is False or (chosen is None and scheme.event_id is None):
        return None, DEFAULT_WINDOW
    if chosen is None:
        chosen = Deduplication(key=scheme.event_id or "")
    return chosen.key_template(), chosen.window
