"""A text is found however a sender wrote it."""

import pytest

from receiver.deliveries.needle import Needle


@pytest.mark.parametrize(
    "body",
    [
        b"to ada@example.com.",
        b'{"mail": "ADA@Example.COM"}',
        rb'{"mail": "ada\u0040example.com"}',
        b"mail=ada%40example.com&n=1",
        b"\xff\xfe ada@example.com",
    ],
)
def test_a_text_is_found_in_any_case_and_encoding(body: bytes) -> None:
    assert Needle("ada@example.com").in_body(body)
    assert not Needle("grace@example.com").in_body(body)


@pytest.mark.parametrize(
    "text", ["Zoë Müller", r"Zo\u00eb M\u00fcller", "Zo%C3%AB+M%C3%BCller", "zo\u00eb%20m\u00fcller"]
)
def test_letters_beyond_ascii_are_found_too(text: str) -> None:
    assert Needle("zoë müller").in_text(text)
    assert Needle("Zoë Müller").in_body("Zoë Müller".encode("latin-1"))


@pytest.mark.parametrize("hostile", ["\\u", "\\ud800", "%", "%zz", "+", "\\\\u0041", "\0", "\ud800"])
def test_whatever_is_sent_is_only_not_found(hostile: str) -> None:
    assert not Needle("somebody").in_text(hostile)


def test_what_would_be_found_everywhere_is_refused_and_nothing_tells_the_text() -> None:
    with pytest.raises(ValueError, match="four"):
        Needle(" a b ")
    assert "somebody" not in repr(Needle("somebody"))
