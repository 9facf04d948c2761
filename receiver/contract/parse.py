"""From what someone wrote to a checked definition, with errors in words that say what to do."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from receiver.contract.errors import DefinitionError, TemplateError
from receiver.contract.fields import RESPONSE_ROOTS
from receiver.contract.model import WebhookDefinition
from receiver.contract.plain import find_flaw
from receiver.contract.secret_reference import Author, parse_secret_reference
from receiver.contract.templates import compile_template

FIELDS = tuple(field.alias or name for name, field in WebhookDefinition.model_fields.items())
_OF_THE_BODY = frozenset({"data", "body", "files"})
_WORDS = {
    "extra_forbidden": "there is no such field",
    "missing": "is required",
    "model_type": "is an object of fields",
    "string_type": "is text",
}
_KEY_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def generate_key() -> str:
    """A slug nobody can guess: 24 letters and digits, 124 bits."""
    return "".join(secrets.choice(_KEY_ALPHABET) for _ in range(24))


def parse_definition(data: Mapping[str, Any], *, by: Author) -> WebhookDefinition:
    """A webhook from its fields as JSON or Python gives them; the key is generated when it is left out.

    `by` is who gives it: `env:` and `file:` secrets are for `code` and `admin`. From anyone but `code` the deployment
    is required (`webhooks deploy` fills it in for code). Filter and schema are compiled by the ingress, which knows
    their languages. Raises DefinitionError: `field` is the dotted name, `problem` says what to do.
    """
    if not isinstance(data, Mapping):
        raise DefinitionError("definition", "is an object of fields")
    given = {str(name): _as_json(value) for name, value in data.items() if value is not None}
    _check_names(data)
    if flaw := find_flaw(given):
        raise DefinitionError(flaw.path.strip(".") or "definition", flaw.problem)
    _check_verification(given.get("verification"), by)
    given.setdefault("key", generate_key())
    if by != "code" and "deployment" not in given:
        raise DefinitionError("deployment", "is required: the Prefect deployment to run, flow-name/deployment-name")
    try:
        definition = WebhookDefinition.model_validate(given)
    except ValidationError as error:
        raise _first_problem(error) from None
    if definition.mode == "async":
        _check_nothing_waits(definition)
    _check_gathering(definition)
    _check_payload(definition)
    _check_cors(definition)
    return definition


def _as_json(value: Any) -> Any:
    """Python's other collections, in which a decorator may give methods or addresses, as lists."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return list(value) if isinstance(value, tuple) else value


def _check_nothing_waits(definition: WebhookDefinition) -> None:
    """Nobody waits for an asynchronous webhook's flow, so there is neither a time limit nor a `$result`."""
    for name in ("timeout", "on_timeout"):
        if getattr(definition, name) is not None:
            raise DefinitionError(name, "is for mode 'sync'; leave it out, or say mode 'sync'")
    if definition.response is not None:
        for name, source in (("headers", dict(definition.response.headers)), ("body", definition.response.body)):
            try:
                compile_template(source, roots=RESPONSE_ROOTS)
            except TemplateError as error:
                raise DefinitionError(f"response.{name}", f"{error} in mode 'async'") from None


def _check_gathering(definition: WebhookDefinition) -> None:
    """What becomes many deliveries, or a part of a run for many, has no one answer; such a run gets whole requests."""
    for name in ("split", "batch"):
        if getattr(definition, name) is not None and definition.mode == "sync":
            raise DefinitionError(
                name, "is for mode 'async': one caller cannot wait for many. Leave out one of the two"
            )
    if definition.batch is None:
        return
    given = definition.parameters_template().children()
    if len(given) != 1 or not all(template.is_root("context") for template in given.values()):
        raise DefinitionError(
            "batch", "fills one parameter of the flow with all requests: parameters is {'context': '{{$context}}'}"
        )


def _check_payload(definition: WebhookDefinition) -> None:
    """A body that Prefect is not to see must not be in its parameters by another way."""
    if definition.payload == "value":
        return
    for name, template in definition.parameters_template().children().items():
        read = [steps for root, steps in template.paths() if root == "context" and not template.is_root("context")]
        if any(not steps or steps[0] in _OF_THE_BODY for steps in read):
            raise DefinitionError(
                "payload",
                f"'reference' keeps the body from Prefect, and parameters.{name} copies it there: pass the whole "
                "request as '{{$context}}' and read the body in the flow, or leave out payload",
            )


def _check_cors(definition: WebhookDefinition) -> None:
    """Whoever proves who they are does so from pages that are known."""
    if definition.cors is not None and "*" in definition.cors and definition.scheme != "none":
        raise DefinitionError("cors", "'*' is for an open webhook, scheme 'none': list the origins that may call")


def _check_names(data: Mapping[Any, Any]) -> None:
    for name in map(str, data):
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the fields are {', '.join(FIELDS)}"
            raise DefinitionError(name or '""', f"there is no such field; {hint}")


def _check_verification(verification: Any, by: Author) -> None:
    if verification is None:
        raise DefinitionError(
            "verification", "is required: {'scheme': ..., 'secret': ...}; an open webhook says {'scheme': 'none'}"
        )
    if not isinstance(verification, Mapping) or not isinstance(verification.get("scheme"), str):
        raise DefinitionError("verification.scheme", "is required: the name of a verification scheme, e.g. 'github'")
    if not verification["scheme"]:
        raise DefinitionError("verification.scheme", "is empty; an open webhook says {'scheme': 'none'}")
    if verification["scheme"] == "python" and by != "code":
        raise DefinitionError(
            "verification.scheme", "'python' calls a function of the project's: it is for webhooks defined in code"
        )
    if (secret := verification.get("secret")) is None:
        return
    if not isinstance(secret, str):
        raise DefinitionError("verification.secret", "is a reference, e.g. 'block:webhook-secret/contact-form'")
    try:
        parse_secret_reference(secret, by=by)
    except ValueError as error:
        raise DefinitionError("verification.secret", str(error)) from None


def _first_problem(error: ValidationError) -> DefinitionError:
    first = error.errors(include_url=False, include_context=False)[0]
    # A union puts the member's name into the path; only names of fields, keys and positions say something.
    steps = [str(step) for step in first["loc"] if not str(step).startswith(("function-", "literal", "Deduplication"))]
    problem = _WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return DefinitionError(".".join(steps) or "definition", problem)
