"""`webhooks schemes` says what to enter where."""

import json

import pytest
import typer

from receiver.cli.schemes import describe, schemes
from receiver.ingress.verify import SCHEMES


def run(capsys: pytest.CaptureFixture[str], name: str | None = None, *, as_json: bool = False) -> str:
    schemes(name=name, markdown=False, as_json=as_json)
    return capsys.readouterr().out


def test_every_scheme_is_listed_with_whom_it_is_for(capsys: pytest.CaptureFixture[str]):
    printed = run(capsys)
    assert all(scheme.about in printed for scheme in SCHEMES.values())
    assert json.loads(run(capsys, as_json=True))[0]["scheme"] in SCHEMES


def test_a_scheme_is_told_in_words_and_as_json(capsys: pytest.CaptureFixture[str]):
    for name in ("github", "hubspot", "none", "wecom"):
        printed = run(capsys, name)
        assert SCHEMES[name].about in printed and SCHEMES[name].to_enter in printed
        assert all(option in printed for option in SCHEMES[name].options_taken())
        assert json.loads(run(capsys, name, as_json=True)) == describe(SCHEMES[name])


def test_a_name_that_is_none_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(typer.Exit) as ended:
        schemes(name="githb", markdown=False, as_json=False)
    assert ended.value.exit_code == 1
    assert "did you mean 'github'" in capsys.readouterr().err


def test_whatever_a_scheme_tells_is_json():
    assert json.loads(json.dumps([describe(scheme) for scheme in SCHEMES.values()]))
