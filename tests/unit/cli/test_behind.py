"""What a command says of a queue that is behind."""

from receiver.cli.behind import behind_line


def test_a_queue_that_keeps_up_is_not_mentioned() -> None:
    assert behind_line(1.9, "closed") == ""


def test_how_far_it_is_behind_and_that_prefect_is_why() -> None:
    assert behind_line(75.4, "closed") == "Behind by 75 s: deliveries wait for their hand-over."
    assert "Prefect does not answer" in behind_line(75, "open")
