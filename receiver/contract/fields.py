"""Checks of single fields of a definition. Each takes what was written, gives the value kept, or raises ValueError."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, Literal
from urllib.parse import urlsplit

from receiver.contract.errors import TemplateError
from receiver.contract.plain import RESERVED_KEYS, find_flaw
from receiver.contract.quantities import format_rate, parse_duration, parse_rate, parse_size
from receiver.contract.reply import check_headers
from receiver.contract.templates import Template, compile_template

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_BODY = 25 * 1024 * 1024
MAX_WINDOW = timedelta(days=400)
MAX_DEPLOYMENT = 512

PARAMETER_ROOTS = frozenset({"context", "now"})
KEY_ROOTS = frozenset({"context"})
RESPONSE_ROOTS = frozenset({"context", "now"})
SYNC_RESPONSE_ROOTS = RESPONSE_ROOTS | {"result"}
MAX_TIMEOUT = 120.0
MAX_BATCH = 1000
MIN_AGE, MAX_AGE = timedelta(hours=1), timedelta(days=3650)
MIN_EXPIRES, MAX_EXPIRES = timedelta(seconds=1), timedelta(days=30)
MAX_ORIGINS = 100
MAX_BATCH_WAIT = timedelta(hours=1)


SET_PREFIX = "set:"
SET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
"""The name of a set of networks, as `WEBHOOKS_NETWORK_SETS` has it."""

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?", re.ASCII)
_DEPLOYMENT = re.compile(r"[^/\s](?:[^/\n]*[^/\s])?/[^/\s](?:[^/\n]*[^/\s])?")


def check_key(value: Any) -> Any:
    """A slug that may stand in a URL as it is."""
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError("is 1-64 lower-case letters, digits, '-' and '_', with a letter or digit at both ends")
    return value


def check_deployment(value: Any) -> Any:
    """The name Prefect gives a deployment."""
    if not isinstance(value, str) or len(value) > MAX_DEPLOYMENT or not _DEPLOYMENT.fullmatch(value):
        raise ValueError("is a Prefect deployment's name, flow-name/deployment-name")
    return value


def check_methods(value: Any) -> Any:
    """The methods in canonical order, each once."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple | set | frozenset) or not names:
        raise ValueError("is a list of methods, e.g. ['POST']")
    wanted = {str(name).upper() for name in names}
    if unknown := sorted(wanted - set(METHODS)):
        raise ValueError(f"{', '.join(unknown)} cannot be a webhook's method; take of {', '.join(METHODS)}")
    return tuple(method for method in METHODS if method in wanted)


def check_timeout(value: Any) -> Any:
    """Seconds, more than 0 and at most 120; `"5s"` is understood."""
    seconds = parse_duration(value).total_seconds() if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_TIMEOUT:
        raise ValueError(f"is a number of seconds, at most {MAX_TIMEOUT:g}, e.g. 10")
    return float(seconds)


def check_parameters(value: Any) -> Any:
    """Templates by the names of the flow's parameters."""
    if not isinstance(value, dict):
        raise ValueError("maps the flow's parameters by name to templates")  # noqa: TRY004 (pydantic takes ValueError)
    for name in value:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{name!r} cannot be the name of a flow's parameter")
    if flaw := find_flaw(value, reserved_keys=RESERVED_KEYS):
        raise ValueError(f"{flaw.path.lstrip('.')}: {flaw.problem}")
    _compiled(value, roots=PARAMETER_ROOTS)
    return value


def check_networks(value: Any) -> Any:
    """Networks in canonical form; a single address becomes a network of one, `set:NAME` stays a name."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("is a list of addresses or CIDRs, e.g. ['192.0.2.0/24']; leave it out to allow any address")
    networks = []
    for entry in value:
        if isinstance(entry, str) and entry.startswith(SET_PREFIX):
            if not SET_NAME.fullmatch(entry.removeprefix(SET_PREFIX)):
                raise ValueError(f"{entry!r} names no set of networks, e.g. set:github-hooks")
            networks.append(entry)
            continue
        try:
            networks.append(str(ip_network(str(entry), strict=False)))
        except ValueError as error:
            raise ValueError(
                f"{entry!r} is neither an address nor a CIDR, e.g. 192.0.2.0/24 or 2001:db8::/32"
            ) from error
    return tuple(dict.fromkeys(networks))


def check_window(value: Any) -> Any:
    """How long an event id is remembered."""
    window = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(window, timedelta) or not timedelta(seconds=1) <= window <= MAX_WINDOW:
        raise ValueError("is a duration from 1s to 400d, e.g. '4d'")
    return window


def check_key_template(value: Any) -> Any:
    """A template that differs from request to request."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a template of the sender's event id, e.g. '{{$context.headers.x-event-id}}'")
    if _compiled(value, roots=KEY_ROOTS).is_static:
        raise ValueError("is the same for every request: put the sender's event id into it")
    return value


def check_split(value: Any) -> Any:
    """A template of the list that becomes deliveries of their own."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a template of the list of events, e.g. '{{$context.data}}'")
    if _compiled(value, roots=KEY_ROOTS).is_static:
        raise ValueError("is a template of the list of events, e.g. '{{$context.data.events}}'")
    return value


def check_ordering_key(value: Any) -> Any:
    """A template of what a delivery is about."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a template of what keeps its order, e.g. '{{$context.data.customer_id}}'")
    _compiled(value, roots=KEY_ROOTS)
    return value


def check_max_wait(value: Any) -> Any:
    """How long the first of a batch waits for others."""
    wait = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(wait, timedelta) or not timedelta(seconds=1) <= wait <= MAX_BATCH_WAIT:
        raise ValueError("is a duration from 1s to 1h, e.g. '2s'")
    return wait


def check_age(value: Any) -> Any:
    """How long something is kept."""
    age = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(age, timedelta) or not MIN_AGE <= age <= MAX_AGE:
        raise ValueError("is a duration from 1h to 3650d, e.g. '30d'")
    return age


def check_expires(value: Any) -> Any:
    """How late something may begin."""
    late = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(late, timedelta) or not MIN_EXPIRES <= late <= MAX_EXPIRES:
        raise ValueError("is a duration from 1s to 30d, e.g. '10m'")
    return late


def check_deduplicate(value: Any) -> Any:
    """An object or false; true names no event id."""
    if value is True:
        raise ValueError("names the event id: {'key': '{{$context.headers.x-event-id}}', 'window': '4d'}, or false")
    return value


def check_response_headers(value: Any) -> Any:
    """Header templates that belong to no connection."""
    if not isinstance(value, dict):
        raise ValueError("maps names of headers to templates")  # noqa: TRY004 (pydantic takes ValueError)
    for name, text in value.items():
        # What a template gives is checked with each reply; its own text is not what is sent.
        static = not isinstance(text, str) or _compiled(text, roots=SYNC_RESPONSE_ROOTS).is_static
        check_headers({name: text if static else ""})
    _compiled(value, roots=SYNC_RESPONSE_ROOTS)
    return value


def check_response_body(value: Any) -> Any:
    """Any JSON value with templates in its strings."""
    _compiled(value, roots=SYNC_RESPONSE_ROOTS)
    return value


def check_size(value: Any) -> Any:
    """Bytes from a number or a text such as `1MiB`."""
    size = parse_size(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_BODY:
        raise ValueError("is a size from 1 byte to 25MiB, e.g. '1MiB' or 1048576")
    return size


def check_cors(value: Any) -> Any:
    """Origins as browsers write them, each once, or `*` alone."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not given or len(given) > MAX_ORIGINS:
        raise ValueError(f"is a list of origins, e.g. ['https://shop.example'], at most {MAX_ORIGINS}, or '*'")
    origins = tuple(dict.fromkeys(each if each == "*" else _origin(each) for each in given))
    if "*" in origins and len(origins) > 1:
        raise ValueError("is '*' or a list of origins; '*' lets the pages of any origin call")
    return origins


def _origin(value: Any) -> str:
    problem = f"{value!r} is no origin; write scheme and host as a browser sends them, e.g. https://shop.example"
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        port = parts.port if parts else None
    except ValueError:
        raise ValueError(problem) from None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or not parts.netloc.isascii():
        raise ValueError(problem)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or {"@", "*"} & set(parts.netloc):
        raise ValueError(problem)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in {None, default} else f":{port}")


def check_rate(value: Any) -> Any:
    """Requests in a time, `100/minute`."""
    if not isinstance(value, str):
        raise ValueError("is a number of requests in a time, e.g. '100/minute'")  # noqa: TRY004 (pydantic takes ValueError)
    return format_rate(parse_rate(value))


def check_schema(value: Any) -> Any:
    """An object; whether it is a JSON Schema, the ingress checks."""
    if not isinstance(value, dict):
        raise ValueError("is a JSON Schema, an object")  # noqa: TRY004 (pydantic takes ValueError)
    return value


def _compiled(value: Any, roots: frozenset[str]) -> Template:
    try:
        return compile_template(value, roots=roots)
    except TemplateError as error:
        raise ValueError(str(error)) from None
