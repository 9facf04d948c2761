"""Why `up` cannot start or go on, in words for the person at the terminal."""

from receiver.contract.errors import WebhooksError


class CannotRun(WebhooksError):
    """`up` ends. `problem` says what is wrong, `next_step` what to do; `evidence` are the last lines of a log."""

    def __init__(self, problem: str, next_step: str, evidence: str = "") -> None:
        super().__init__(f"{problem}\n{next_step}")
        self.problem = problem
        self.next_step = next_step
        self.evidence = evidence
