"""The `warm` worker: deployment runs in processes that have imported everything already.

`prefect worker start --pool NAME` runs `WarmWorker` (`warm_worker.py`) where the pool's type is `warm`. Four kinds of
process take part, and each may be killed at any time without a run being lost or doubled:

    worker    asks Prefect for runs, claims them, reports what a dead child cannot report itself
    zygote    has imported Prefect and the flows' modules, keeps one thread, opens nothing, forks on command
    child     forked from the zygote; opens one client and runs one flow run after another
    (flow)    whatever a run starts belongs to its child's process group and ends with it

Who does what: the worker hears Prefect's events (a run was scheduled, cancelled, suspended), proposes Pending with a
token that Prefect compares, and hands the run to an idle child. The child's engine sets every later state and runs the
hooks. Cancelling is a message to the child, which interrupts itself as Prefect's own runner would; a child that does
not obey is killed and the worker finishes in its place. Nothing heavy is imported here: zygote and child start from it.
"""
