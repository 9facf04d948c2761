from pathlib import Path
from typing import Any

import pytest

from receiver.contract.errors import WebhooksError
from receiver.settings import HomeSettings, HttpSettings, find_home, load_settings


def test_the_nearest_home_upward_is_found_else_one_is_made_here(tmp_path: Path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_home(inner) == inner / ".webhooks"
    (tmp_path / ".webhooks").mkdir()
    assert find_home(inner) == tmp_path / ".webhooks"


def test_proxies_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEBHOOKS_TRUSTED_PROXIES", "10.0.0.1, 2001:db8::/32,")
    assert HttpSettings().trusted_proxies == ("10.0.0.1", "2001:db8::/32")


@pytest.mark.parametrize(
    ("host", "public", "expected"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8000"),
        ("0.0.0.0", None, "http://127.0.0.1:8000"),
        ("::1", None, "http://[::1]:8000"),
        ("127.0.0.1", "https://hooks.example.com/", "https://hooks.example.com"),
    ],
)
def test_the_public_address_is_the_one_given_else_where_we_listen(host: str, public: str | None, expected: str):
    assert HttpSettings(host=host, public_url=public).base_url == expected


def test_commands_and_flows_speak_to_the_admin_port_where_there_is_one():
    assert HttpSettings(host="0.0.0.0").admin_url == "http://127.0.0.1:8000"
    apart = HttpSettings(host="0.0.0.0", admin_host="::", admin_port=9000)
    assert (apart.local_url, apart.admin_url) == ("http://127.0.0.1:8000", "http://127.0.0.1:9000")


def test_with_a_certificate_addresses_are_https_but_for_an_admin_port_on_this_machine(tmp_path: Path):
    tls: dict[str, Any] = {"tls_certificate": tmp_path / "server.pem"}
    one = HttpSettings(**tls)
    assert (one.local_url, one.admin_url) == ("https://127.0.0.1:8000", "https://127.0.0.1:8000")
    assert one.admin_certificate == tmp_path / "server.pem"
    here = HttpSettings(**tls, admin_port=9000)
    assert (here.admin_url, here.admin_certificate) == ("http://127.0.0.1:9000", None)
    elsewhere = HttpSettings(**tls, admin_port=9000, admin_host="10.0.0.5")
    assert elsewhere.admin_url == "https://10.0.0.5:9000" and elsewhere.admin_certificate


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"WEBHOOKS_TLS_KEY": "key.pem"}, "WEBHOOKS_TLS_KEY is set without WEBHOOKS_TLS_CERTIFICATE"),
        ({"WEBHOOKS_TLS_MIN_VERSION": "1.1"}, "WEBHOOKS_TLS_MIN_VERSION"),
        ({"WEBHOOKS_ADMIN_HOST": "10.0.0.1"}, "WEBHOOKS_ADMIN_PORT is missing"),
        ({"WEBHOOKS_ADMIN_PORT": "8000"}, "WEBHOOKS_ADMIN_PORT has to be another one than WEBHOOKS_PORT"),
    ],
)
def test_settings_that_would_leave_open_what_is_believed_closed_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], problem: str
):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WebhooksError, match=problem):
        load_settings()


def test_a_database_url_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEBHOOKS_DATABASE_URL", "postgresql://user:hunter2@host/name")
    assert "hunter2" not in repr(HomeSettings())


def test_a_wrong_setting_is_named_with_what_is_wrong_and_without_its_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEBHOOKS_PORT", "hunter2")
    with pytest.raises(WebhooksError, match="WEBHOOKS_PORT") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
