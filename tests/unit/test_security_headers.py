"""What browsers are told about answers."""

import base64
import hashlib

from receiver.admin.docs_page import HEADERS, page
from receiver.security_headers import NO_ICON, completed, page_policy

TOLD = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


def test_an_answer_that_says_nothing_is_told_to_be_no_page() -> None:
    headers = dict(completed([(b"content-type", b"application/json")], https=False))
    policy = headers.pop(b"content-security-policy").decode().split("; ")
    assert headers == {b"content-type": b"application/json", **TOLD}
    assert {"sandbox", "default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"} <= set(policy)


def test_what_an_answer_says_itself_is_not_said_twice() -> None:
    headers = completed([(b"Content-Security-Policy", b"mine"), (b"cache-control", b"max-age=1")], https=True)
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))
    assert headers[:2] == [(b"Content-Security-Policy", b"mine"), (b"cache-control", b"max-age=1")]


def test_only_an_address_with_https_asks_to_be_called_by_https_alone() -> None:
    name = b"strict-transport-security"
    assert name not in dict(completed([], https=False))
    assert dict(completed([], https=True))[name] == b"max-age=31536000"


def test_a_page_may_have_its_style_and_its_form_and_nothing_else() -> None:
    (policy,) = page_policy(style="p{}", form=True).values()
    digest = base64.b64encode(hashlib.sha256(b"p{}").digest()).decode()
    assert set(policy.split("; ")) == {
        *("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "img-src data:", "form-action 'self'"),
        f"style-src 'sha256-{digest}'",
    }
    (closed,) = page_policy().values()
    assert "style-src" not in closed and "form-action 'none'" in closed
    assert "unsafe" not in policy + closed


def test_the_page_of_the_docs_has_the_one_style_that_its_policy_names() -> None:
    text = page({"info": {}, "paths": {}, "components": {"schemas": {}}}, "http://receiver.test")
    (style,) = [part.partition("</style>")[0] for part in text.split("<style>")[1:]]
    assert page_policy(style=style) == HEADERS
    assert NO_ICON in text and "<script" not in text and "style=" not in text.replace(style, "")
