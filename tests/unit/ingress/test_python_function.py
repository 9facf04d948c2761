"""The scheme `python`: a project's own function, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.ingress.redact import redact
from receiver.ingress.verify import Scheme, Secrets, build_scheme
from tests.conformance.schemes import NOW, make_request

FUNCTIONS = """
from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason

def accepts(request, secret, now):
    return request.header("x-code") == secret

def forgets(request, secret, now):
    pass

def truthy(request, secret, now):
    return "yes"

def breaks(request, secret, now):
    raise KeyError(f"the secret is {secret}")

def refuses(request, secret, now):
    raise Unverified(Reason.TIMESTAMP_MALFORMED, "no time")

async def waits(request, secret, now):
    return True

number = 7
"""
NAMES = ("accepts", "forgets", "truthy", "breaks", "refuses", "waits", "number")
REQUEST = make_request(b"{}", headers={"x-code": "s3cr3t-words"})


@pytest.fixture
def scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scheme]:
    """Builds the scheme with a function of a project that is installed."""
    (tmp_path / "project_of_a_test.py").write_text(FUNCTIONS)
    installed = tmp_path / "project_of_a_test-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: project-of-a-test\nVersion: 1\n")
    lines = [f"{name} = project_of_a_test:{name}" for name in NAMES] + ["gone = project_of_a_test_gone:verify"]
    (installed / "entry_points.txt").write_text("\n".join(["[webhooks.schemes]", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda function, **more: build_scheme(
        {"scheme": "python", "function": function, "secret": "block:webhook-secret/tests", **more}
    )


def refusal(scheme: Scheme, secrets: Secrets | None) -> Unverified:
    with pytest.raises(Unverified) as refused:
        scheme.verify(REQUEST, secrets, NOW)
    return refused.value


def test_a_function_accepts_with_any_of_the_secrets(scheme: Callable[..., Scheme]):
    accepts = scheme("accepts", headers=["X-Code"])
    assert accepts.verify(REQUEST, Secrets("other", ("s3cr3t-words",)), NOW).secret == "previous-1"
    assert refusal(accepts, Secrets("other")).reason is Reason.CREDENTIAL_WRONG
    assert refusal(accepts, Secrets(" ")).reason is Reason.SECRET_UNAVAILABLE
    assert refusal(accepts, None).reason is Reason.SECRET_UNAVAILABLE
    assert "s3cr3t" not in repr(redact(REQUEST, accepts.carriers()))
    with pytest.raises(DefinitionError, match="replay"):
        accepts.sign(REQUEST, Secrets("s3cr3t-words"), NOW)


@pytest.mark.parametrize("function", ["forgets", "truthy", "breaks", "refuses"])
def test_whatever_else_it_does_refuses_and_tells_no_secret(
    scheme: Callable[..., Scheme], caplog: pytest.LogCaptureFixture, function: str
):
    refused = refusal(scheme(function), Secrets("s3cr3t-words"))
    assert refused.reason is (Reason.TIMESTAMP_MALFORMED if function == "refuses" else Reason.CREDENTIAL_WRONG)
    assert "s3cr3t" not in str(refused) and "s3cr3t" not in caplog.text
    assert ("KeyError at project_of_a_test.py:15" in caplog.text) == (function == "breaks")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("acepts", "did you mean 'accepts'"),
        ("gone", "cannot be imported: ModuleNotFoundError"),
        ("waits", "not `async def`"),
        ("number", "no plain function"),
    ],
)
def test_a_function_that_cannot_be_used_is_told_when_it_is_defined(
    scheme: Callable[..., Scheme], function: str, words: str
):
    with pytest.raises(DefinitionError, match=words) as error:
        scheme(function)
    assert error.value.field == "verification.function"


def test_only_code_may_name_a_function_of_the_project():
    fields = {"key": "w", "deployment": "f/d", "verification": {"scheme": "python", "function": "accepts"}}
    assert parse_definition(fields, by="code").scheme == "python"
    for by in ("admin", "write"):
        with pytest.raises(DefinitionError, match="defined in code"):
            parse_definition(fields, by=by)
