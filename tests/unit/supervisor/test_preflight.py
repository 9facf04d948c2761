import os
import socket

import pytest

from receiver.supervisor.failures import CannotRun
from receiver.supervisor.preflight import take_port


def test_a_free_port_is_taken_as_it_is_and_port_0_finds_one(free_port: int) -> None:
    assert take_port("127.0.0.1", free_port, "WEBHOOKS_PORT") == free_port
    assert take_port("127.0.0.1", 0, "WEBHOOKS_PORT") > 0


def test_a_taken_port_names_who_has_it_and_the_setting_with_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CannotRun) as refused:
            take_port("127.0.0.1", port, "WEBHOOKS_PREFECT_PORT")
    assert f"Port {port} on 127.0.0.1 is taken by " in refused.value.problem
    assert f"(process {os.getpid()})" in refused.value.problem
    assert "WEBHOOKS_PREFECT_PORT=" in refused.value.next_step


def test_an_address_of_no_machine_names_the_setting() -> None:
    with pytest.raises(CannotRun) as refused:
        take_port("256.1.1.1", 8000, "WEBHOOKS_PORT")
    assert "WEBHOOKS_HOST" in refused.value.next_step
