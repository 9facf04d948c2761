"""Whose address a request has, behind no proxy and behind several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError
from receiver.ingress.client_ip import Networks, Proxies, origin, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1"])


def behind(peer: str, *forwarded: str, trusted: Networks = PROXIES) -> str:
    return origin(peer, [("X-Forwarded-For", value) for value in forwarded], "http", Proxies(trusted)).ip


@pytest.mark.parametrize(
    ("peer", "plain"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("", ""),
        ("/run/socket", "/run/socket"),
    ],
)
def test_without_trusted_proxies_it_is_the_peer_in_its_plain_form(peer: str, plain: str):
    assert behind(peer, "203.0.113.9", trusted=Networks()) == plain


def test_what_an_untrusted_peer_says_is_not_believed():
    assert behind("192.0.2.7", "203.0.113.9") == "192.0.2.7"


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9", "10.2.2.2"], "203.0.113.9"),
        (["203.0.113.9:55123"], "203.0.113.9"),
        (["[2001:db8::9]:443"], "2001:db8::9"),
        (["[2001:db8::9]"], "2001:db8::9"),
        (["2001:db8::9"], "2001:db8::9"),
        (["fe80::9%wan"], "fe80::9"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:1::5"], "203.0.113.9"),
        (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ([], "10.9.9.9"),
    ],
)
def test_the_header_is_walked_from_the_right_through_trusted_hops(forwarded: list[str], found: str):
    assert behind("10.9.9.9", *forwarded) == found


@pytest.mark.parametrize(
    "garbage", ["", "unknown", "_hidden", "1.2.3", "999.1.1.1", "for=1.2.3.4", "1.2.3.4:x:y", "\u0661.1.1.1"]
)
def test_an_entry_that_is_no_address_ends_the_walk_at_the_last_good_hop(garbage: str):
    assert behind("10.9.9.9", f"203.0.113.9, {garbage}, 10.2.2.2") == "10.2.2.2"
    assert behind("10.9.9.9", f"203.0.113.9, {garbage}") == "10.9.9.9"


def test_a_chain_of_thousands_of_trusted_hops_is_not_walked_to_its_end():
    assert behind("10.9.9.9", "203.0.113.9," + "10.0.0.1," * 5000 + "10.0.0.2") == "10.0.0.1"


@given(peer=st.text(max_size=30), values=st.lists(st.text(max_size=60), max_size=3))
def test_nothing_in_the_header_raises(peer: str, values: list[str]):
    assert isinstance(behind(peer, *values), str)
    assert isinstance(behind("10.9.9.9", *values), str)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        (" 192.0.2.0/24 ", "::ffff:192.0.2.1", "::ffff:192.0.3.1"),
        ("::ffff:192.0.2.0/120", "192.0.2.1", "192.0.3.1"),
        ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
        ("fe80::/10", "fe80::1%eth0", "10.0.0.1"),
        ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
        ("10.0.0.0/8", "10.0.0.1", "not an address"),
    ],
)
def test_an_allowlist_holds_addresses_and_networks_of_both_versions(network: str, inside: str, outside: str):
    networks = parse_networks([network])
    assert networks.contains(inside)
    assert not networks.contains(outside)


def test_an_empty_allowlist_contains_nobody():
    assert not Networks().contains("127.0.0.1")


def test_a_network_that_is_none_is_named_with_a_hint():
    with pytest.raises(DefinitionError, match=r"ip_allowlist\[1\]: '10.0.0.1/8' .*did you mean 10.0.0.0/8") as error:
        parse_networks(["127.0.0.1", "10.0.0.1/8"])
    assert error.value.field == "ip_allowlist[1]"
    with pytest.raises(DefinitionError, match=r"trusted_proxies\[0\]: 'localhost' is no address"):
        parse_networks(["localhost"], "trusted_proxies")
