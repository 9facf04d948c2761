"""`Forwarded` (RFC 7239), and how a request came: what a client writes itself is never believed."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.ingress.client_ip import Origin, Proxies, origin, parse_networks
from receiver.ingress.forwarded import LONGEST_ELEMENT

TRUSTED = parse_networks(["10.0.0.0/8", "127.0.0.1"])
PEER, CLIENT = "10.9.9.9", "203.0.113.9"


def seen(*forwarded: str, peer: str = PEER, scheme: str = "http", **more: str) -> Origin:
    """The origin of a request with these `Forwarded` headers, and others by keyword."""
    headers = [("Forwarded", value) for value in forwarded]
    headers += [(name.replace("_", "-"), value) for name, value in more.items()]
    return origin(peer, headers, scheme, Proxies(TRUSTED, "forwarded"))


def seen_x(*headers: tuple[str, str], peer: str = PEER, scheme: str = "http") -> Origin:
    """The origin of a request by `X-Forwarded-For` and `X-Forwarded-Proto`."""
    return origin(peer, headers, scheme, Proxies(TRUSTED))


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        (["for=203.0.113.9"], CLIENT),
        (["For=203.0.113.9;Proto=https;by=10.9.9.9"], CLIENT),
        (['for="203.0.113.9:4711"'], CLIENT),
        (["for=203.0.113.9:4711"], CLIENT),
        (['for="[2001:db8::9]"'], "2001:db8::9"),
        (['for="[2001:db8::9]:4711"'], "2001:db8::9"),
        (['for="[::ffff:203.0.113.9]"'], CLIENT),
        (['by=_edge ; for="203.0.113.9" ; host="a,b;c"'], CLIENT),
        (["for=1.1.1.1, for=203.0.113.9"], CLIENT),
        (["for=1.1.1.1, for=203.0.113.9, for=10.2.2.2"], CLIENT),
        (["for=1.1.1.1", "for=203.0.113.9"], CLIENT),
        ([r'for=1.1.1.1, host="a\", for=2.2.2.2";for=203.0.113.9'], CLIENT),
        (["for=10.1.1.1, for=10.2.2.2"], "10.1.1.1"),
        ([], PEER),
        ([""], PEER),
    ],
)
def test_the_elements_are_walked_from_the_right_through_trusted_hops(forwarded: list[str], found: str):
    assert seen(*forwarded).ip == found


@pytest.mark.parametrize(
    "unsaid",
    ["for=unknown", "for=_hidden", 'for="_SEVKISEK:80"', "proto=https", "for", "for=", 'for="1.1.1.1', "for=1.1.1.1 x"],
)
def test_an_element_that_names_no_address_ends_the_walk_at_the_last_good_hop(unsaid: str):
    assert seen(f"for=203.0.113.9, {unsaid}, for=10.2.2.2").ip == "10.2.2.2"
    assert seen(f"for=203.0.113.9, {unsaid}").ip == PEER


def test_an_element_that_names_two_addresses_or_is_too_long_says_nothing():
    assert seen("for=203.0.113.9;for=1.1.1.1").ip == PEER
    assert seen(f'for=203.0.113.9;host="{"x" * LONGEST_ELEMENT}"').ip == PEER


def test_only_the_header_of_the_setting_is_read():
    assert seen(x_forwarded_for="203.0.113.9", x_forwarded_proto="https") == Origin(PEER, secure=False, local=False)
    assert seen_x(("forwarded", "for=203.0.113.9;proto=https")) == Origin(PEER, secure=False, local=False)


# What a client sends may hold anything that a header can; the proxy's own element follows it.
PIECES = [*'abc019.:;,="\\ []_-', "for=", "proto=https", "10.0.0.1", f'for="{PEER}', '\\"']
claims = st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(
    st.characters(max_codepoint=255), max_size=40
)
headers = st.sampled_from(["x-forwarded-for", "forwarded"])
own_lines = st.booleans()


def passed_on(header: Literal["x-forwarded-for", "forwarded"], claim: str, client: str, own: bool) -> Origin:
    """What is seen behind one trusted proxy, which adds its client to what that sent, in a line of its own or not."""
    element = client if header == "x-forwarded-for" else f'for="{client}";proto=http'
    lines = [claim, element] if own else [f"{claim}, {element}"]
    sent = [("x-forwarded-proto", "http")] if header == "x-forwarded-for" else []
    return origin(PEER, [*((header, line) for line in lines), *sent], "http", Proxies(TRUSTED, header))


@given(header=headers, claim=claims, own=own_lines)
def test_a_client_behind_a_trusted_proxy_cannot_change_its_address_or_claim_to_be_encrypted(header, claim, own):
    assert passed_on(header, claim, CLIENT, own) == Origin(CLIENT, secure=False, local=False)


@given(header=headers, sent=st.lists(st.tuples(st.sampled_from(["forwarded", "x-forwarded-for"]), claims)))
def test_a_client_that_is_no_trusted_proxy_is_itself_whatever_it_sends(header, sent):
    sent = [*sent, ("x-forwarded-proto", "https")]
    assert origin(CLIENT, sent, "http", Proxies(TRUSTED, header)) == Origin(CLIENT, secure=False, local=False)


@given(claim=claims, own=own_lines)
def test_a_client_cannot_hide_behind_a_second_proxy_either(claim, own):
    lines = [claim, "for=203.0.113.9"] if own else [f"{claim},for=203.0.113.9"]
    assert seen(*lines, "for=10.2.2.2").ip == CLIENT


@pytest.mark.parametrize(
    ("protos", "secure"),
    [(["https"], True), (["HTTPS "], True), (["http"], False), (["https, http"], False), (["https", "http"], False)],
)
def test_a_proxy_that_tells_one_scheme_tells_how_it_was_spoken_to(protos: list[str], secure: bool):
    sent = [("X-Forwarded-For", CLIENT), *(("X-Forwarded-Proto", proto) for proto in protos)]
    assert seen_x(*sent).secure is secure


def test_the_outermost_trusted_proxys_word_on_encryption_counts():
    assert seen(f"for={CLIENT};proto=https, for=10.2.2.2;proto=http").secure
    assert not seen(f"for={CLIENT};proto=http, for=10.2.2.2;proto=https").secure
    assert not seen(f"for=1.1.1.1;proto=https, for={CLIENT};proto=http").secure
    chain = ("x-forwarded-for", f"{CLIENT}, 10.2.2.2")
    assert seen_x(chain, ("x-forwarded-proto", "https, http")).secure
    assert seen_x(chain, ("x-forwarded-proto", "https")).secure


def test_a_connection_that_is_encrypted_itself_is_secure_unless_its_proxy_was_spoken_to_in_the_clear():
    assert seen(scheme="https", peer=CLIENT).secure
    assert seen(scheme="https").secure
    assert not seen(f"for={CLIENT};proto=http", scheme="https").secure


def test_only_what_comes_from_this_machine_is_local():
    assert seen(peer="127.0.0.1").local and seen(peer="/run/socket").local and seen(peer="").local
    assert not seen(f"for={CLIENT}", peer="127.0.0.1").local
    assert not seen("for=_hidden", peer="127.0.0.1").local
    assert not seen_x(("x-forwarded-proto", "https"), peer="127.0.0.1").local
    assert not seen().local
