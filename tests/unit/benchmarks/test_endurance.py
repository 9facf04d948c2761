"""What is said of many runs in a row, from values."""

from __future__ import annotations

from typing import Any

from benchmarks.endurance import Outcome, Sample, faults, in_a_sentence, kind_of, rows, slope
from benchmarks.report import INBOX, SOAK, keeping_sections, with_section

SPAWNED = ("python", "-m", "flows.worker.zygote", "7")


def sample(runs: int, worker: float = 100.0, children: frozenset[int] = frozenset({5, 6})) -> Sample:
    return Sample(
        runs=runs, resident={"worker": worker, "zygote": 90.0, "children": 120.0}, together=200.0, children=children
    )


def run(number: int, **changes: Any) -> dict[str, Any]:
    usual = {"id": f"run-{number}", "tags": ["webhook:soak", f"delivery:{number}"], "run_count": 1}
    return {**usual, "state_type": "COMPLETED", **changes}


def outcome(**changes: Any) -> Outcome:
    usual: dict[str, Any] = {
        "wanted": 4,
        "seconds": 2.0,
        "accepted": ["0", "1", "2", "3"],
        "runs": [run(number) for number in range(4)],
        "samples": [sample(runs) for runs in range(5)],
        "recycled": 2,
        "renewed": 1,
    }
    return Outcome(**{**usual, **changes})


def test_nothing_is_wrong_when_each_ran_once_and_memory_is_flat() -> None:
    assert faults(outcome()) == []


def test_a_lost_run_and_an_answer_that_never_came_are_faults() -> None:
    left = [run(0), run(1), run(2, state_type="CRASHED")]
    found = " ".join(faults(outcome(accepted=["0", "1", "2"], runs=left)))
    assert "1 of 4 requests" in found
    assert "1 accepted deliveries have no completed run" in found


def test_a_delivery_with_two_runs_and_a_run_begun_twice_are_doubled() -> None:
    twice = [*outcome().runs, run(3, id="another")]
    assert faults(outcome(runs=twice)) == ["1 deliveries were run more than once"]
    assert faults(outcome(runs=[run(0, run_count=2), *outcome().runs[1:]])) == ["1 deliveries were run more than once"]


def test_memory_that_grows_after_the_warm_up_is_a_fault() -> None:
    warming = [sample(0, 10.0), *(sample(runs) for runs in range(20, 101, 10))]
    assert slope(warming, "worker") == 0
    leaking = [sample(runs, 100.0 + runs / 20) for runs in range(0, 101, 10)]
    assert round(slope(leaking, "worker"), 6) == 5
    assert faults(outcome(samples=leaking)) == ["worker: 5.0 MiB more in 100 runs, 3 are allowed"]


def test_too_few_looks_say_nothing_about_growth() -> None:
    assert slope([], "worker") == 0
    assert slope([sample(100), sample(100, 900.0)], "worker") == 0


def test_a_soak_without_recycling_has_not_tried_it() -> None:
    assert faults(outcome(recycled=0)) == ["no child was recycled"]


def test_the_table_shows_a_tenth_half_and_all_and_the_sentence_counts_children() -> None:
    samples = [sample(runs, children=frozenset({runs})) for runs in range(0, 101, 10)]
    table = rows(outcome(samples=samples))
    assert [row[0] for row in table[1:]] == ["after 10 runs", "after 50 runs", "after 100 runs", "growth in 100 runs"]
    assert "11 children seen, 2 recycled by the log, 1 zygote." in in_a_sentence(outcome(samples=samples))


def test_processes_are_told_apart_by_their_command_lines() -> None:
    worker = ("python", "-m", "prefect", "worker", "start", "--pool", "soak")
    assert kind_of(worker, ("python", "guard")) == "worker"
    assert kind_of(SPAWNED, worker) == "zygote"
    assert kind_of(SPAWNED, SPAWNED) == "children"
    assert kind_of(("python", "-c", "guard"), ()) is None


def test_a_section_of_its_own_is_renewed_and_outlives_the_rest_of_the_page() -> None:
    page = "# Performance\n\ntext\n"
    first = with_section(page, SOAK, ["old words"], ["a", "b"], [["1", "2"]])
    second = with_section(first, SOAK, ["new words"], ["a", "b"], [["1", "2"]])
    assert "old words" in first
    assert "old words" not in second
    assert second.count("## Many runs in a row") == 1
    both = with_section(second, INBOX, ["full"], ["c"], [["3"]])
    assert both.index("text") < both.index("## A full inbox") < both.index("## Many runs in a row")
    assert keeping_sections("# Performance\n\nother\n", both).endswith(both.partition("text\n")[2])
    assert keeping_sections(page, page) == page
