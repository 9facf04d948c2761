"""Each target for a moment, without guidance: seeds, seeds changed in a few places, and any bytes; always the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from receiver.ingress.verify import SCHEMES
from tests.conformance.schemes import NOW
from tests.fuzz import Target, load_targets
from tests.fuzz.requests import cases
from tests.fuzz.wire import from_bytes, to_bytes

TARGETS = load_targets()


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """What a target may be given."""
    seeds = target.seeds()
    piece = st.binary(max_size=8) | st.sampled_from([*target.words, *seeds])
    edit = st.tuples(st.integers(0, max(map(len, seeds))), st.integers(0, 12), piece)
    return st.builds(_edited, st.sampled_from(seeds), st.lists(edit, max_size=4)) | st.binary(max_size=80)


def _edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for start, removed, put in edits:
        seed = seed[:start] + put + seed[start + removed :]
    return seed


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_nothing_is_raised_that_is_not_documented(name: str):
    target = TARGETS[name]
    for seed in target.seeds():
        target.run(seed)

    @settings(max_examples=80, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(target))
    def run(data: bytes) -> None:
        target.run(data)

    run()


def test_every_scheme_is_among_the_cases():
    """But `python`, which is a function of the project's: whatever that raises is caught, see its own test."""
    assert {case.verification["scheme"] for case in cases()} | {"python"} == set(SCHEMES)


def test_a_request_survives_the_form_in_which_it_is_an_input_and_is_accepted_as_before():
    for case in cases():
        request = from_bytes(to_bytes(case.samples[0]))
        documents = dict.fromkeys(case.scheme.documents(request), case.document)
        assert (request.wire_body, request.url) == (case.samples[0].wire_body, case.samples[0].url)
        if case.id != "paypal, its chain too":  # no root of this machine's signed our certificate
            accepted = case.samples[0].__class__(**{**vars(request), "documents": documents})
            assert case.scheme.verify(accepted, case.secrets, NOW).scheme == case.verification["scheme"], case.id
