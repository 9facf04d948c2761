"""What can be known to fail before anything is started: ports."""

from __future__ import annotations

import socket
from contextlib import closing

import psutil  # type: ignore[import-untyped]  # no stubs are installed; few calls are not worth them

from receiver.supervisor.failures import CannotRun


def take_port(host: str, port: int, setting: str) -> int:
    """`port` when it is free on `host`, a free one when it is 0. Raises CannotRun naming who has it and `setting`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise CannotRun(
            f"{host} is not an address to listen on: {error.strerror}.",
            f"Set {setting.replace('PORT', 'HOST')} to an address of this machine, for example 127.0.0.1.",
        ) from None
    with closing(socket.socket(family, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except PermissionError:
            raise CannotRun(
                f"Port {port} on {host} is one that only root may listen on.",
                f"Set {setting} to a port above 1023.",
            ) from None
        except OSError as error:
            raise CannotRun(
                f"Port {port} on {host} is taken{_holder(port)}: {error.strerror}.",
                f"Set {setting} to another port ({setting}={_free_near(host, port)} is free), or stop who has it.",
            ) from None
        return int(listener.getsockname()[1])


def _holder(port: int) -> str:
    """` by NAME (process ID)` of who listens, empty when this user may not know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""


def _free_near(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 200, 65536)):
        with closing(socket.socket()) as probe:
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return port + 1
