"""JSON values for property tests: ordinary ones, and those that break what stands behind the receiver."""

from __future__ import annotations

from hypothesis import strategies as st

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
"""Characters, without NUL and lone surrogates: what may travel plainly."""
any_texts = st.text(alphabet=st.characters(exclude_categories=()), max_size=20)
"""Lone surrogates and NUL too, as JSON's escapes may bring them."""
reserved_keys = st.sampled_from(["$ref", "__prefect_kind", "__class__", "__exc_type__"])

_scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)

json_values = st.recursive(
    _scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
hostile_values = st.recursive(
    _scalars | any_texts | st.sampled_from(["{{$context.data}}", "{{ prefect.variable }}", "$&", "\x00", "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_texts | reserved_keys, inner, max_size=4),
    max_leaves=12,
)
