"""`webhooks schemes` says what to enter where."""

import json

import pytest
from typer.testing import CliRunner

from receiver.cli import app
from receiver.ingress.verify import SCHEMES


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["schemes", *words])
    return result.exit_code, result.output


def test_every_scheme_is_listed_with_whom_it_is_for():
    code, printed = run()
    assert code == 0
    assert all(scheme.about in printed for scheme in SCHEMES.values())


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_is_told_in_words_and_as_json(name: str):
    code, printed = run(name)
    assert code == 0 and SCHEMES[name].to_enter in printed
    assert all(option in printed for option in SCHEMES[name].options_taken())
    told = json.loads(run(name, "--json")[1])
    assert (told["scheme"], told["for"], told["proves"]) == (name, SCHEMES[name].about, SCHEMES[name].strength)


def test_all_of_them_are_json_too():
    assert {told["scheme"] for told in json.loads(run("--json")[1])} == set(SCHEMES)


def test_a_name_that_is_none_is_told_with_the_nearest():
    code, printed = run("githb")
    assert code == 1 and "did you mean 'github'" in printed
