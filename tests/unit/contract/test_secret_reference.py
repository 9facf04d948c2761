import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.secret_reference import Author, is_secret_reference, parse_secret_reference

AUTHORS: tuple[Author, ...] = ("code", "admin", "write")


@pytest.mark.parametrize("by", AUTHORS)
@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("block:webhook-secret/contact-form", "webhook-secret", "contact-form"),
        ("block:secret/a", "secret", "a"),
    ],
)
def test_everyone_may_name_a_block(text: str, kind: str, name: str, by: Author):
    reference = parse_secret_reference(text, by=by)
    assert (reference.kind, reference.name, str(reference)) == (kind, name, text)
    assert is_secret_reference(text)


@pytest.mark.parametrize(
    "text", ["env:GITHUB_SECRET", "env:_x", "env:MY_PREFECT_SECRET", "file:github", "file:shop/secret", "file:..a/b"]
)
def test_code_and_admins_may_name_the_environment_and_files(text: str):
    for by in ("code", "admin"):
        assert str(parse_secret_reference(text, by=by)) == text
    with pytest.raises(ValueError, match="from code and from API keys with scope admin only"):
        parse_secret_reference(text, by="write")


@pytest.mark.parametrize("by", AUTHORS)
@pytest.mark.parametrize("name", ["WEBHOOKS_ADMIN_KEY", "PREFECT_API_AUTH_STRING", "Prefect_Api_Key", "webhooks_x"])
def test_nobody_may_name_a_variable_of_the_receivers_or_of_prefects(name: str, by: Author):
    with pytest.raises(ValueError, match="scope admin only" if by == "write" else "may not name a variable"):
        parse_secret_reference(f"env:{name}", by=by)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("block:json/x", "kind of block that holds no secret"),
        ("block:webhook-secret", "names no block"),
        ("block:webhook-secret/", "names no block"),
        ("block:webhook-secret/A", "names no block"),
        ("block:webhook-secret/a/b", "names no block"),
        ("block:webhook-secret/-a", "names no block"),
        ("block:webhook-secret/a\n", "names no block"),
        ("env:", "names no environment variable"),
        ("env:1A", "names no environment variable"),
        ("env:A-B", "names no environment variable"),
        ("env:A\n", "names no environment variable"),
        ("file:", "below WEBHOOKS_SECRETS_DIR"),
        ("file:/etc/passwd", "below WEBHOOKS_SECRETS_DIR"),
        ("file:../x", "below WEBHOOKS_SECRETS_DIR"),
        ("file:a/../../x", "below WEBHOOKS_SECRETS_DIR"),
        ("file:a\\..\\x", "below WEBHOOKS_SECRETS_DIR"),
        ("file:.", "below WEBHOOKS_SECRETS_DIR"),
        ("file:a\0", "below WEBHOOKS_SECRETS_DIR"),
        ("ENV:A", "is not a reference"),
        (" env:A", "is not a reference"),
        ("hunter2", "is not a reference"),
        ("", "is not a reference"),
    ],
)
def test_what_names_no_secret_says_how_to_name_one(text: str, words: str):
    with pytest.raises(ValueError, match=words):
        parse_secret_reference(text, by="code")


@given(st.sampled_from(["", "block:", "block:webhook-secret/", "env:", "file:", "file:/"]), st.text(min_size=8))
def test_an_error_never_repeats_what_may_be_a_secret(prefix: str, text: str):
    secret = f"S3CRET{text}S3CRET"
    try:
        reference = parse_secret_reference(prefix + secret, by="code")
    except ValueError as error:
        assert "S3CRET" not in str(error)
    else:
        assert str(reference) == prefix + secret
