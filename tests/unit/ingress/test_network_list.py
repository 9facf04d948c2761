"""What a set of networks says, as lines and as JSON, and what is not taken for one."""

from __future__ import annotations

import json
from contextlib import suppress
from ipaddress import IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.ingress.client_ip import parse_networks
from receiver.ingress.network_list import MOST_NETWORKS, check_width, read_list

GITHUB = json.dumps({"hooks": ["192.30.252.0/22", "2a0a:a440::/29"], "web": ["1.1.1.1"], "ssh_keys": ["x"]}).encode()
CLOUD = json.dumps(
    {"a/b": {"c~d": [{"ip_prefix": "3.5.140.0/22", "region": "eu"}, {"ipv6Prefix": "2600:1f00::/24"}]}}
).encode()


@pytest.mark.parametrize(
    ("content", "pointer", "networks"),
    [
        (GITHUB, "/hooks", ("192.30.252.0/22", "2a0a:a440::/29")),
        (GITHUB, "/hooks/", None),
        (CLOUD, "/a~1b/c~0d", ("3.5.140.0/22", "2600:1f00::/24")),
        (CLOUD, "/a~1b/c~0d/0", None),
        (b'[["10.0.0.1"]]', "/0", ("10.0.0.1/32",)),
        (b'["10.0.0.1", "10.0.0.1/32"]', "", ("10.0.0.1/32",)),
        (b"# office\n192.0.2.1\n\n 198.51.100.0/24 # branch\r\n2001:db8::/32", "", None),
        (b"", "", ()),
        (b"# nobody", "", ()),
        (b"[]", "", ()),
        (b'"10.0.0.1"', "", None),
        (b"{}", "/hooks", None),
        (b'{"hooks": "10.0.0.1"}', "/hooks", None),
        (b'{"hooks": [7]}', "/hooks", None),
        (b'{"hooks": [{"region": "eu"}]}', "/hooks", None),
        (b'{"hooks": ["10.0.0.1", "somewhere"]}', "/hooks", None),
        (GITHUB, "hooks", None),
        (b"<html>", "", None),
        (b"\xff\xfe1", "", None),
        (b"[1", "", None),
    ],
)
def test_a_list_is_read_whole_or_not_at_all(content: bytes, pointer: str, networks: tuple[str, ...] | None):
    if content.startswith(b"# office"):
        networks = ("192.0.2.1/32", "198.51.100.0/24", "2001:db8::/32")
    if networks is None:
        with pytest.raises(ValueError, match=r"^(has|is|'hooks' is)"):
            read_list(content, pointer)
    else:
        assert read_list(content, pointer) == networks


def test_a_list_is_bounded_in_number():
    lines = "\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(MOST_NETWORKS + 1)).encode()
    with pytest.raises(ValueError, match="more than 20000"):
        read_list(lines, "")
    assert len(read_list(lines.rpartition(b"\n")[0], "")) == MOST_NETWORKS


def test_networks_that_would_let_in_the_world_are_refused():
    check_width(("10.0.0.0/8", "2a00::/19"))
    for wide in ("0.0.0.0/0", "128.0.0.0/1", "::/0", "2000::/3", "::ffff:0:0/96", "::ffff:128.0.0.0/97"):
        with pytest.raises(ValueError, match="wider than"):
            check_width(("192.0.2.1/32", wide))


@given(st.binary(max_size=60), st.sampled_from(["", "/hooks", "/0", "/a/b"]))
def test_whatever_it_holds_only_value_errors_are_raised(content: bytes, pointer: str):
    with suppress(ValueError):
        parse_networks(read_list(content, pointer))


networks = st.builds(
    lambda address, length: f"{address}/{length}", st.ip_addresses(v=4).map(str), st.integers(20, 32)
) | st.builds(lambda address, length: f"{address}/{length}", st.ip_addresses(v=6).map(str), st.integers(40, 128))


@given(st.lists(networks, max_size=8), st.ip_addresses())
def test_an_address_is_found_among_many_networks_as_it_is_among_one(texts, address):
    mapped = IPv6Network("::ffff:0:0/96")  # IPv4 written as IPv6 is IPv4, which `ipaddress` does not say
    parsed = [ip_network(text, strict=False) for text in texts]
    parsed = [each for each in parsed if not (isinstance(each, IPv6Network) and each.subnet_of(mapped))]
    found = parse_networks([str(each) for each in parsed])
    for each in (address, *(network.network_address for network in parsed)):
        if getattr(each, "ipv4_mapped", None) is None:
            assert found.contains(str(each)) == any(each in network for network in parsed)
