"""Prefect's private names: when a release moves one, this says which, and the worker refuses to start."""

from __future__ import annotations

import inspect

import prefect
import prefect.flow_engine
import pytest
from prefect.workers.base import BaseWorker

from flows.worker import engine
from flows.worker.pins import missing
from flows.worker.pool import PoolOptions
from flows.worker.warm_worker import WarmWorker


def test_the_installed_prefect_has_every_name_with_its_signature() -> None:
    assert engine.check_prefect() == []


def test_the_installed_prefect_is_a_release_these_pins_were_made_for() -> None:
    assert prefect.__version__.startswith("3.8."), "read engine.py beside the new release, then name it here"


def test_a_name_that_is_gone_is_reported_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(prefect.flow_engine, "_send_heartbeats")
    assert engine.check_prefect() == ["prefect.flow_engine._send_heartbeats(engine, join_on_exit) is gone"]


def test_a_changed_signature_and_a_missing_module_are_reported() -> None:
    found = missing(
        {"json": ("dumps(obj)",), "no_such_module": ("name()",), "json:JSONDecoder": ("decode(self, s, _w)",)}
    )
    assert [sentence.partition(" ")[0] for sentence in found] == ["json.dumps(obj)", "no_such_module.name()"]
    assert "has become" in found[0]


def test_prefects_worker_still_calls_what_the_warm_worker_replaces() -> None:
    assert "_setup_cancellation_observer" in inspect.getsource(BaseWorker._initialize_after_sync)
    assert "get_and_submit_flow_runs" in inspect.getsource(BaseWorker.start)


def test_the_engine_still_uses_the_functions_that_are_replaced() -> None:
    source = inspect.getsource(prefect.flow_engine)
    assert "observe_flow_run_suspension(" in source
    assert source.count("with _send_heartbeats(self") == 2


def test_the_type_is_registered_and_its_template_shows_the_pools_options() -> None:
    assert BaseWorker.get_worker_class_from_type("warm") is WarmWorker
    template = WarmWorker.get_default_base_job_template()
    assert PoolOptions.from_template(template) == PoolOptions()
    assert set(PoolOptions.__dataclass_fields__) < set(template["job_configuration"])
    shown = template["variables"]["properties"]
    assert {f"{{{{ {name} }}}}" for name in shown} < set(map(str, template["job_configuration"].values()))
    assert all(shown[name]["description"].endswith(".") for name in shown)
