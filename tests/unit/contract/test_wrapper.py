"""The decorator on flows. Functions are called through `.fn`, as Prefect's engine does; runs are in the integration
tests."""

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Optional

import pytest
from prefect import flow
from prefect.utilities.callables import parameter_schema

from receiver import Context, Reply, webhook
from receiver.contract.context import PendingContext
from receiver.contract.definition import get_definition
from receiver.contract.envelope import encode_envelope, reference_envelope
from receiver.contract.errors import DefinitionError, EnvelopeError
from receiver.contract.flow_parameters import context_parameters

if TYPE_CHECKING:
    from somewhere_else import OnlyForTypeCheckers  # type: ignore[import-not-found] # the point of the test below

OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}
DOCUMENT = {"v": 1, "data": {"n": 5}}
ENVELOPE = encode_envelope(DOCUMENT, delivery_id="d1", attempt=2)


@webhook("asynchronous", methods=["POST", "PUT"], **OPEN)
@flow
async def asynchronous(context: Context, times: int = 2) -> Reply:
    """What it does."""
    return Reply(body={"n": context.data["n"] * times})


@webhook("synchronous", **OPEN)
@flow
def synchronous(context: Context, times: int = 2) -> Reply:
    """What it does."""
    return Reply(body={"n": context.data["n"] * times})


@pytest.mark.parametrize(("it", "key"), [(asynchronous, "asynchronous"), (synchronous, "synchronous")])
def test_the_definition_stays_on_the_flow_and_on_its_variants(it: Any, key: str):
    for variant in (it, it.with_options(name="other"), it.with_options(retries=2).with_options(log_prints=True)):
        definition = get_definition(variant)
        assert definition
        assert definition.key == key
    assert get_definition(asynchronous).methods == ("POST", "PUT")  # type: ignore[union-attr] # seen above


def test_what_has_no_webhook_has_no_definition():
    @flow
    def plain() -> None: ...

    assert get_definition(plain) is None
    assert get_definition(len) is None
    assert get_definition(None) is None


@pytest.mark.parametrize("it", [asynchronous, synchronous])
def test_the_flow_stays_what_it_was(it: Any):
    assert it.name == it.fn.__name__
    assert it.fn.__doc__ == "What it does."
    assert it.fn.__module__ == __name__
    assert it.isasync is inspect.iscoroutinefunction(it.fn) is (it is asynchronous)
    assert list(inspect.signature(it.fn).parameters) == ["context", "times"]


@pytest.mark.parametrize("it", [asynchronous, synchronous])
def test_prefects_schema_of_the_parameters_names_them_and_the_envelope(it: Any):
    schema = parameter_schema(it).model_dump()
    assert list(schema["properties"]) == ["context", "times"]
    assert schema["properties"]["times"]["default"] == 2
    assert schema["required"] == ["context"]
    assert set(schema["properties"]["context"]["properties"]) == {"v", "delivery_id", "attempt", "json", "ref"}
    assert parameter_schema(it.with_options(name="x")) == parameter_schema(it) == it.parameters


@pytest.mark.parametrize("it", [asynchronous, synchronous])
def test_prefect_validates_envelopes_and_refuses_all_else(it: Any):
    validated = it.validate_parameters({"context": ENVELOPE, "times": "3"})
    assert validated["context"].data == {"n": 5}
    assert validated["times"] == 3
    pending = it.validate_parameters({"context": reference_envelope(delivery_id="d1", attempt=1)})
    assert isinstance(pending["context"], PendingContext)
    from prefect.exceptions import ParameterTypeError

    for wrong in ({"n": 5}, {**ENVELOPE, "v": 2}, {**ENVELOPE, "attempt": 1}, None):
        with pytest.raises(ParameterTypeError, match=r"envelope|not of d1"):
            it.validate_parameters({"context": wrong})


@pytest.mark.parametrize("given", [ENVELOPE, Context.from_document(DOCUMENT)], ids=["envelope", "context"])
async def test_a_call_with_an_envelope_or_a_context_runs_the_function(given: Any):
    assert (await asynchronous.fn(given, times=3)).body == {"n": 15}
    assert (await asynchronous.fn(context=given)).body == {"n": 10}
    assert synchronous.fn(given, times=3).body == {"n": 15}
    assert synchronous.fn(context=given).body == {"n": 10}


def test_a_broken_envelope_does_not_reach_the_function():
    with pytest.raises(EnvelopeError, match="version 2"):
        synchronous.fn({**ENVELOPE, "v": 2})  # type: ignore[arg-type] # what Prefect would hand over


def test_wrong_arguments_are_told_in_pythons_words():
    with pytest.raises(TypeError, match="missing a required argument: 'context'"):
        synchronous.fn()  # type: ignore[call-arg] # the mistake that is tested


def received_by(function: Any, **arguments: Any) -> Any:
    """What the function gives for arguments as Prefect hands them over, under templates that fit it."""
    contexts = context_parameters(function)
    named = inspect.signature(function).parameters
    parameters = {name: "{{$context}}" if name in contexts else "{{$context.data}}" for name in named}
    return webhook("k", parameters=parameters, **OPEN)(flow(function)).fn(**arguments)


def test_a_context_is_known_by_its_annotation_however_it_is_written():
    def optional(request: Optional[Context] = None) -> Any:  # noqa: UP045 (one of the spellings)
        return request

    def union(request: Context | None = None) -> Any:
        return request

    def text(request: "Context | None" = None) -> Any:
        return request

    for function in (optional, union, text):
        assert received_by(function, request=ENVELOPE).data == {"n": 5}
        assert received_by(function) is None


def test_a_context_is_known_beside_an_annotation_that_only_type_checkers_can_read():
    def partly(request: "Context", other: "OnlyForTypeCheckers" = None) -> Any:
        return request

    assert received_by(partly, request=ENVELOPE).data == {"n": 5}


def test_a_parameter_without_an_annotation_is_a_context_by_its_name():
    def bare(context, other=None):
        return context, other

    context, other = received_by(bare, context=ENVELOPE, other=ENVELOPE)
    assert context.data == {"n": 5}
    assert other is ENVELOPE


def test_a_mapping_in_any_other_parameter_is_only_a_mapping():
    def other(data: dict[str, Any], context: dict[str, Any]) -> Any:
        return data, context

    assert received_by(other, data=ENVELOPE, context=ENVELOPE) == (ENVELOPE, ENVELOPE)


def test_a_flow_may_take_any_arguments_and_no_context():
    def many(*values: int, **named: Any) -> Any:
        return values, named

    wrapped = webhook("k", parameters={"values": [], "named": {}}, **OPEN)(flow(many))
    assert wrapped.fn(1, 2, a=ENVELOPE) == ((1, 2), {"a": ENVELOPE})

    def nothing() -> str:
        return "done"

    without = webhook("k", **OPEN)(flow(nothing))
    assert without.fn() == "done"
    assert get_definition(without).to_json()["parameters"] == {}  # type: ignore[union-attr] # seen above


def test_a_definition_that_cannot_be_used_is_told_at_import():
    with pytest.raises(DefinitionError, match=r"verification: is required.*'scheme': 'none'"):
        webhook("k")
    with pytest.raises(DefinitionError, match="did you mean 'methods'"):
        webhook("k", method="POST", **OPEN)


def test_in_code_a_key_is_needed_and_one_is_proposed():
    with pytest.raises(DefinitionError, match=r"take for example '[a-z0-9]{24}'") as error:
        webhook(**OPEN)
    proposed = error.value.problem.split("'")[1]
    webhook(proposed, **OPEN)


def test_the_decorator_stands_above_flow():
    def function(context: Context) -> None: ...

    for wrong in (function, None, 5, Context):
        with pytest.raises(DefinitionError, match="above @flow, not below it"):
            webhook("k", **OPEN)(wrong)


def test_a_flow_has_one_webhook():
    with pytest.raises(DefinitionError, match="has the webhook 'synchronous' already"):
        webhook("second", **OPEN)(synchronous)
    definition = get_definition(synchronous)
    assert definition
    assert definition.key == "synchronous"


def test_a_generator_cannot_reply():
    def generator(context: Context) -> Iterator[int]:
        yield 1

    async def asynchronous_generator(context: Context) -> AsyncIterator[int]:
        yield 1

    for function in (generator, asynchronous_generator):
        with pytest.raises(DefinitionError, match="cannot be a generator"):
            webhook("k", **OPEN)(flow(function))
