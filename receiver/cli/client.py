"""How the commands speak to the receiver: where it is, with which key, and what its refusals mean."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from receiver.cli.output import printable_lines
from receiver.contract.errors import WebhooksError
from receiver.contract.pinned_tls import trust

if TYPE_CHECKING:
    import httpx

ADDRESS_FILE = "receiver.json"
"""Written into the home by `serve`: `{"url": "http://127.0.0.1:8000", "certificate": null}`."""

KEY_FILE = "admin.key"
"""The generated key of scope `admin`, in the home, mode 0600."""


class CommandFailed(Exception):
    """A command cannot do what it was asked for. The message says what to do next; the exit code is 1."""


class ReceiverAbsent(CommandFailed):
    """No receiver answers where one ought to, or none was ever started here."""


@dataclass(frozen=True)
class Connection:
    """Where the receiver listens and the API key to speak to it with.

    `certificate` is the file with the certificate it shows, where it is one of this machine; None: whatever the system
    trusts.
    """

    url: str
    key: str
    certificate: str | None = None

    def __repr__(self) -> str:
        return f"Connection(url={self.url!r}, key=***)"


def find_connection(
    environment: Mapping[str, str], home: Path, default_url: str, default_certificate: str | None = None
) -> Connection:
    """The receiver of `WEBHOOKS_URL` and `WEBHOOKS_API_KEY`, else the one whose files are in `home`.

    The generated key is sent to a receiver on this machine only: `WEBHOOKS_URL` may name somebody else's.
    """
    written, certificate = _address_in(home)
    url = (environment.get("WEBHOOKS_URL") or written or default_url).rstrip("/")
    if url != written:
        certificate = default_certificate if url == default_url else None
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise CommandFailed("WEBHOOKS_URL is not an address. Give it whole, for example http://127.0.0.1:8000")
    if key := environment.get("WEBHOOKS_API_KEY", "").strip():
        return Connection(url, key, certificate)
    if not _is_here(url):
        raise CommandFailed(f"A key is needed for {url}. Set WEBHOOKS_API_KEY to one made by `webhooks keys create`.")
    if key := environment.get("WEBHOOKS_ADMIN_KEY", "").strip():
        return Connection(url, key, certificate)
    try:
        return Connection(url, (home / KEY_FILE).read_text(encoding="utf-8").strip(), certificate)
    except FileNotFoundError:
        raise ReceiverAbsent(
            f"No API key: {home / KEY_FILE} does not exist. Start the receiver with `webhooks up`, run this in the "
            "folder where it was started, or set WEBHOOKS_API_KEY."
        ) from None
    except OSError as error:
        raise CommandFailed(
            f"{home / KEY_FILE} cannot be read ({error.strerror}). Set WEBHOOKS_API_KEY, or run this as its owner."
        ) from None


def _address_in(home: Path) -> tuple[str | None, str | None]:
    """Address and certificate of the receiver that was started last."""
    try:
        written = json.loads((home / ADDRESS_FILE).read_text(encoding="utf-8"))
        return str(written["url"]), written.get("certificate")
    except (OSError, ValueError, KeyError, TypeError):
        return None, None  # no receiver was started here: the settings tell where it would listen


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


class AdminClient:
    """The admin API, one method a verb. Refusals raise `CommandFailed` with the receiver's own words."""

    def __init__(self, connection: Connection, http: httpx.Client) -> None:
        self.url = connection.url
        self.certificate = connection.certificate
        self._key = connection.key
        self._http = http

    def get(self, path: str, **query: object) -> Any:
        """The JSON answer of a GET; query values that are None are left out."""
        return self.request("GET", path, query={name: value for name, value in query.items() if value is not None})

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page["items"]
            if not (cursor := page.get("next_cursor")):
                return

    def accepts(self, key: str) -> bool:
        """Whether the receiver takes another key for reading."""
        try:
            AdminClient(Connection(self.url, key), self._http).get("/deliveries", limit=1)
        except CommandFailed:
            return False
        return True

    def content(self, path: str) -> bytes:
        """The bytes that a GET answers with."""
        return self._answer("GET", path, {}, None).content

    def request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, content: object = None) -> Any:
        """The JSON answer to a request, None when it has no body. `path` is below `/api/admin`."""
        response = self._answer(method, path, query or {}, content)
        try:
            return response.json() if response.content else None
        except ValueError:
            raise ReceiverAbsent(f"What answers at {self.url} is not the receiver. Set WEBHOOKS_URL.") from None

    def _answer(self, method: str, path: str, query: Mapping[str, Any], content: object) -> httpx.Response:
        import httpx

        try:
            response = self._http.request(
                method,
                f"{self.url}/api/admin{path}",
                params=dict(query),
                headers={"Authorization": f"Bearer {self._key}"},
                json=content,
            )
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise CommandFailed(_untrusted(self.url, self.certificate)) from None
            raise ReceiverAbsent(
                f"No receiver answers at {self.url}. Start it with `webhooks up`, or set WEBHOOKS_URL."
            ) from None
        except httpx.HTTPError as error:
            raise ReceiverAbsent(f"{self.url} did not answer as HTTP should: {type(error).__name__}.") from None
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise _refusal(response, self.url)
        return response


def _untrusted(url: str, certificate: str | None) -> str:
    if certificate:
        return f"What answers at {url} does not show the valid certificate in {certificate}. Nothing was sent to it."
    return f"The certificate of {url} is not one this machine trusts. SSL_CERT_FILE names a file of others to trust."


def _refusal(response: httpx.Response, url: str) -> CommandFailed:
    detail = ""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = response.json()
        lines = [str(problem.get("detail", ""))]
        lines += [f"  {entry['path']}: {entry['problem']}" for entry in problem.get("problems", [])[1:]]
        detail = "\n".join(lines)
    if response.status_code == HTTPStatus.UNAUTHORIZED and "expired" not in detail:
        return CommandFailed(f"The key is not one of the receiver at {url}. Set WEBHOOKS_API_KEY to one of its keys.")
    if detail:
        return CommandFailed(detail)
    return ReceiverAbsent(f"What answers at {url} is not the receiver ({response.status_code}). Set WEBHOOKS_URL.")


@contextmanager
def connected() -> Iterator[AdminClient]:
    """A client for the receiver that this shell means. What fails inside ends the command with a message and code 1."""
    with failures_told(), open_client() as client:
        yield client


@contextmanager
def open_client(timeout: float = 60) -> Iterator[AdminClient]:
    """A client for the receiver that this shell means, patient for so many seconds. Raises `CommandFailed`."""
    import httpx

    connection = _connection_of_this_shell()
    try:
        verify = trust(connection.certificate)
    except (OSError, ValueError) as error:
        raise ReceiverAbsent(f"The receiver's certificate cannot be read: {error}.") from None
    # A proxy of the environment cannot reach this machine's own addresses.
    with httpx.Client(timeout=timeout, verify=verify, trust_env=not _is_here(connection.url)) as http:
        yield AdminClient(connection, http)


def _connection_of_this_shell() -> Connection:
    from receiver.settings import load_settings

    settings = load_settings()
    certificate = settings.http.admin_certificate
    return find_connection(
        os.environ, settings.state.home, settings.http.admin_url, str(certificate) if certificate else None
    )


@contextmanager
def failures_told() -> Iterator[None]:
    """Ends a command that failed with its message on standard error and exit code 1."""
    try:
        yield
    except (CommandFailed, WebhooksError) as failure:
        print(f"webhooks: {printable_lines(str(failure))}", file=sys.stderr)  # it may quote what a sender chose
        raise typer.Exit(1) from None
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
