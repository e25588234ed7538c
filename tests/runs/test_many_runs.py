"""Commands and deletions of many runs are one write each, which leaves out what does not allow it."""

from redis import Redis

from bakehouse.runs import writes
from bakehouse.runs.commands import RequestAction
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.run import Cell
from bakehouse.runs.store import Store
from tests.runs.examples import a_run

KEYS = Keys()


def experiment_with_runs(store: Store, request: str) -> list[str]:
    cell = Cell(id="exp_a", arm="recipe", seed=0)
    runs = [a_run().model_copy(update={"experiment": cell}) for _ in range(3)]
    write = writes.experiment_write(KEYS, "exp_a", {"request": request}, add=[KEYS.experiments()])
    store.create_many([(run, {}) for run in runs], experiment=write)
    return [run.id for run in runs]


def over(store: Store, *, builds_on: tuple[str, ...] = ()) -> str:
    run_id = store.create(a_run().model_copy(update={"depends_on": builds_on})).run.id
    store.command(run_id, RequestAction("cancel"))
    return run_id


def exists(store: Store, run_id: str) -> bool:
    try:
        store.record(run_id)
    except RunNotFound:
        return False
    return True


def test_a_request_reaches_the_runs_only_while_their_experiment_is_asked_for_it(store: Store, redis: Redis) -> None:
    runs = experiment_with_runs(store, '"cancel"')
    pause = writes.Asked(KEYS.experiment("exp_a"), "pause")
    assert store.command_all(runs, RequestAction("pause"), pause) == []
    assert [store.record(run_id).status for run_id in runs] == ["queued"] * 3
    cancel = writes.Asked(KEYS.experiment("exp_a"), "cancel")
    store.command(runs[0], RequestAction("cancel"))
    changed = store.command_all(runs, RequestAction("cancel"), cancel)
    assert [(record.id, record.status) for record in changed] == [(run_id, "cancelled") for run_id in runs[1:]]
    redis.delete(KEYS.experiment("exp_a"))
    assert store.command_all(runs, RequestAction("cancel"), writes.Asked(KEYS.experiment("exp_a"), None)) == []


def test_runs_are_deleted_with_those_that_build_on_them_and_kept_for_others(store: Store) -> None:
    teacher = over(store)
    student = over(store, builds_on=(teacher,))
    grandchild = over(store, builds_on=(student,))
    needed = over(store)
    outside = over(store, builds_on=(needed,))
    waiting = store.create(a_run()).run.id
    # The youngest first.
    gone = store.delete_all([waiting, needed, grandchild, student, teacher, "run_222222222222"])
    assert gone == [grandchild, student, teacher, "run_222222222222"]
    assert [exists(store, run_id) for run_id in (teacher, student, grandchild, needed, outside, waiting)] == [
        False, False, False, True, True, True,
    ]  # fmt: skip
    assert set(store.deleted(limit=10)) == {teacher, student, grandchild}
    store.forget_deleted(gone)
    assert store.deleted(limit=10) == []


def test_no_run_is_deleted_before_one_that_builds_on_it_and_stays(store: Store) -> None:
    teacher = over(store)
    student = over(store, builds_on=(teacher,))
    outside = over(store, builds_on=(student,))
    assert store.delete_all([student, teacher]) == []
    assert all(exists(store, run_id) for run_id in (teacher, student, outside))
