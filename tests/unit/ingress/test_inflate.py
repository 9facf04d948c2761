"""Content-Encoding, its limit and its damage."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.inflate import inflate

TEXT = b"the same words " * 100


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def refusal(body: bytes, encoding: str | None, limit: int = 10_000) -> Reason:
    with pytest.raises(Refused) as refused:
        inflate(body, encoding, limit)
    return refused.value.reason


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity ", "identity, identity"])
def test_a_plain_body_is_the_same_object(encoding: str | None):
    assert inflate(TEXT, encoding, len(TEXT)) is TEXT
    assert refusal(TEXT, encoding, len(TEXT) - 1) is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        (" GZip ,identity", gzip.compress(TEXT, mtime=0)),
        ("gzip", gzip.compress(TEXT[:700], mtime=0) + gzip.compress(TEXT[700:], mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
    ],
)
def test_gzip_and_both_kinds_of_deflate_are_inflated_up_to_the_limit(encoding: str, body: bytes):
    assert inflate(body, encoding, len(TEXT)) == TEXT
    assert refusal(body, encoding, len(TEXT) - 1) is Reason.BODY_TOO_LARGE


def test_a_bomb_is_refused_without_being_inflated():
    bomb = gzip.compress(bytes(200 * 1024 * 1024), compresslevel=1)
    assert refusal(bomb, "gzip", 1024) is Reason.BODY_TOO_LARGE
    assert refusal(gzip.compress(bomb, mtime=0), "gzip", 1024) is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "deflate,gzip", "gzip;q=1", "é"])
def test_another_encoding_or_several_are_unsupported(encoding: str):
    assert refusal(gzip.compress(TEXT, mtime=0), encoding) is Reason.ENCODING_UNSUPPORTED


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_stream_cut_short_at_any_byte_is_invalid(encoding: str):
    whole = gzip.compress(b"abcabc", mtime=0) if encoding == "gzip" else zlib.compress(b"abcabc")
    for length in range(1, len(whole)):
        assert refusal(whole[:length], encoding) is Reason.ENCODING_INVALID


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0) + b"\0"),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"behind"),
        ("deflate", zlib.compress(TEXT) + b"behind"),
        ("deflate", raw_deflate(TEXT) + b"behind"),
        ("gzip", TEXT),
        ("deflate", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8),
        ("gzip", gzip.compress(b"", mtime=0) * 17),
    ],
)
def test_damage_and_what_follows_the_stream_are_invalid(encoding: str, body: bytes):
    assert refusal(body, encoding) is Reason.ENCODING_INVALID


def test_an_empty_body_is_empty_whatever_its_encoding():
    assert inflate(b"", "gzip", 10) == b""


@given(body=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate"]) | st.text(max_size=10))
def test_only_refused_is_raised(body: bytes, encoding: str):
    try:
        assert len(inflate(body, encoding, 100)) <= 100
    except Refused as refused:
        assert refused.reason in {Reason.BODY_TOO_LARGE, Reason.ENCODING_INVALID, Reason.ENCODING_UNSUPPORTED}
