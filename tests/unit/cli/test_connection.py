"""Which receiver the commands speak to, and with which key."""

import json

import pytest
from typer.testing import CliRunner

from receiver.cli import app
from receiver.cli.client import CommandFailed, Connection, find_connection

DEFAULT = "http://127.0.0.1:8000"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "receiver.json").write_text(json.dumps({"url": "http://127.0.0.1:8123"}))
    (tmp_path / "admin.key").write_text("whk_generated\n")
    return tmp_path


def test_the_environment_wins_over_the_home(home):
    environment = {"WEBHOOKS_URL": "https://hooks.example.com/", "WEBHOOKS_API_KEY": "whk_mine"}
    assert find_connection(environment, home, DEFAULT) == Connection("https://hooks.example.com", "whk_mine")


def test_on_the_same_machine_both_are_found_in_the_home(home):
    assert find_connection({}, home, DEFAULT) == Connection("http://127.0.0.1:8123", "whk_generated")


def test_without_an_address_file_the_settings_tell_where_the_receiver_listens(home):
    (home / "receiver.json").unlink()
    assert find_connection({}, home, DEFAULT).url == DEFAULT


def test_the_certificate_is_the_one_of_the_address_and_of_no_other(home):
    (home / "receiver.json").write_text(json.dumps({"url": "https://127.0.0.1:8123", "certificate": "/tls/a.pem"}))
    assert find_connection({}, home, DEFAULT).certificate == "/tls/a.pem"
    for url, certificate in (("https://127.0.0.1:8123", "/tls/a.pem"), ("https://127.0.0.1:9", None), (DEFAULT, "/b")):
        found = find_connection({"WEBHOOKS_URL": url}, home, DEFAULT, "/b")
        assert found.certificate == certificate


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", "null"])
def test_an_address_file_that_cannot_be_read_is_as_good_as_none(home, content):
    (home / "receiver.json").write_text(content)
    assert find_connection({}, home, DEFAULT).url == DEFAULT


def test_the_administrators_key_of_the_environment_is_taken_before_the_generated_one(home):
    assert find_connection({"WEBHOOKS_ADMIN_KEY": "whk_set"}, home, DEFAULT).key == "whk_set"


def test_the_generated_key_is_never_sent_to_another_machine(home):
    for environment in ({}, {"WEBHOOKS_ADMIN_KEY": "whk_set"}):
        with pytest.raises(CommandFailed, match="WEBHOOKS_API_KEY"):
            find_connection({**environment, "WEBHOOKS_URL": "https://hooks.example.com"}, home, DEFAULT)


def test_an_address_that_is_none_is_told(home):
    for wrong in ("127.0.0.1:8000", "ftp://x", "http://"):
        with pytest.raises(CommandFailed, match="WEBHOOKS_URL is not an address"):
            find_connection({"WEBHOOKS_URL": wrong}, home, DEFAULT)


def test_a_missing_key_file_names_the_next_step(tmp_path):
    with pytest.raises(CommandFailed, match="webhooks up"):
        find_connection({}, tmp_path, DEFAULT)


def test_a_connection_never_shows_its_key():
    assert "whk_" not in repr(Connection(DEFAULT, "whk_mine"))


@pytest.mark.parametrize("command", ["list", "deploy", "new orders"])
def test_a_setting_that_cannot_be_used_ends_a_command_with_one_line(command, monkeypatch):
    monkeypatch.setenv("WEBHOOKS_PORT", "abc")
    ended = CliRunner().invoke(app, command.split())
    assert ended.exit_code == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("webhooks: WEBHOOKS_PORT Input should be a valid integer")
