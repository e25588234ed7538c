"""The forking worker: what its children do, and what no job can make them do."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from bakehouse import processes
from bakehouse.runs.commands import RequestAction
from bakehouse.runs.queue import QUEUE, TRAIN_NEXT
from bakehouse.runs.run import Worker
from bakehouse.runs.store import connect
from bakehouse.settings import Settings
from tests.processes import children_of, kill, wait_until
from tests.running_worker import RunningWorker, run_worker
from tests.stored_runs import ENDLESS, REFERENCE, SHORT
from worker.host.owner import is_dead
from worker.host.rq_worker import PreforkWorker

# On the worker's path, so that only its refusal is in the way.
MARKS = """
import pathlib
def mark(*_):
    pathlib.Path(__file__).with_name("marked").touch()
"""
PICKLED = b"cmarks\nmark\n(tR."
# Wide enough to be shared between threads.
WIDE = {**REFERENCE, "epochs": 1}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    """Its children train with two threads; the others' with one."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "marks.py").write_text(MARKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        with run_worker(folder / "home", threads=2) as worker:
            yield worker


@pytest.fixture
def marked(worker: RunningWorker) -> Path:
    """There once the function was called."""
    return worker.settings.home.parent / "marked"


@pytest.fixture
def foreign(worker: RunningWorker) -> Queue:
    """The queue as another program sees it that reaches Redis."""
    return Queue(QUEUE, connection=worker.redis, serializer=JSONSerializer)


def test_children_train_with_as_many_threads_as_set(worker: RunningWorker) -> None:
    first, second = (worker.wait_for(worker.submit(WIDE), "succeeded") for _ in range(2))
    assert first.provenance is not None
    assert second.provenance is not None
    assert first.provenance.threads == second.provenance.threads == 2
    assert first.provenance.weights_sha256 == second.provenance.weights_sha256


def test_the_parent_has_no_thread_of_torch(worker: RunningWorker) -> None:
    # After a second one, children hang. RQ's listens for commands and never touches torch.
    main_and_listener = list(Path(f"/proc/{worker.pid}/task").iterdir())
    assert len(main_and_listener) == 2


def test_needless_wake_ups_find_nothing_and_end(worker: RunningWorker, foreign: Queue) -> None:
    worker.wake_queue.wake(5)
    wait_until(lambda: worker.wake_queue.pending() == 0 and not foreign.started_job_registry.get_job_ids())
    assert worker.wait_for(worker.submit(SHORT), "succeeded").attempt == 1


def test_a_worker_publishes_its_status(worker: RunningWorker) -> None:
    run_id = worker.submit(ENDLESS)
    owner = worker.wait_for(run_id, "running").owner
    assert owner is not None
    assert status_of(worker).pid == worker.pid
    process = worker.store.processes()[status_of(worker).name]
    assert (process.pid, is_dead(process)) == (worker.pid, False)
    # Well before the worker's next heartbeat, it says which run its child has claimed.
    wait_until(lambda: status_of(worker).status == "busy")
    assert status_of(worker).run_id == run_id
    assert (status_of(worker).status, status_of(worker).pid) == ("busy", worker.pid)
    wait_until(lambda: run_id in str(rq_job(worker.redis, TRAIN_NEXT).description))
    worker.store.command(run_id, RequestAction("cancel"))
    wait_until(lambda: status_of(worker).status == "idle")
    assert status_of(worker).run_id is None


def test_a_run_is_trained_by_the_child_that_has_waited_for_it(worker: RunningWorker) -> None:
    (waiting,) = wait_until(lambda: children_of(worker.pid))
    record = worker.wait_for(worker.submit(ENDLESS), "running")
    assert record.owner is not None
    assert record.owner.pid == waiting
    worker.store.command(record.id, RequestAction("cancel"))
    worker.wait_for(record.id, "cancelled")
    wait_until(lambda: children_of(worker.pid) not in ([], [waiting]))


def test_a_waiting_child_that_was_killed_is_replaced(worker: RunningWorker) -> None:
    wait_until(lambda: status_of(worker).status == "idle")
    (waiting,) = wait_until(lambda: children_of(worker.pid))
    kill(waiting)
    assert worker.wait_for(worker.submit(SHORT), "succeeded").attempt == 1


def test_a_child_that_was_killed_before_it_had_read_its_job_is_replaced(worker: RunningWorker) -> None:
    wait_until(lambda: status_of(worker).status == "idle")
    (waiting,) = wait_until(lambda: children_of(worker.pid))
    os.kill(waiting, signal.SIGSTOP)
    run_id = worker.submit(SHORT)
    queue = Queue(QUEUE, connection=worker.redis, serializer=JSONSerializer)
    wait_until(queue.started_job_registry.get_job_ids)
    kill(waiting)
    assert worker.wait_for(run_id, "succeeded").attempt == 1
    # The worker is the same as before: it gets the next child, which waits for a job.
    wait_until(lambda: children_of(worker.pid))


def status_of(worker: RunningWorker) -> Worker:
    """The status that the worker published last."""
    (listed,) = worker.store.workers()
    return listed


def rq_job(redis: Redis, function: str) -> Job:
    """The job that RQ believes to be running."""
    queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
    (job_id,) = queue.started_job_registry.get_job_ids()
    job = Job.fetch(job_id, connection=redis, serializer=JSONSerializer)
    assert job.func_name == function
    return job


def test_another_function_in_the_queue_is_not_called(worker: RunningWorker, foreign: Queue, marked: Path) -> None:
    foreign.enqueue_call("marks.mark")
    assert_the_worker_trains_the_next_run(worker)
    assert not marked.exists()


@pytest.mark.parametrize("function", [TRAIN_NEXT, "no.such.function"])
def test_callbacks_are_not_called(worker: RunningWorker, foreign: Queue, marked: Path, function: str) -> None:
    called: Any = {name: Callback("marks.mark") for name in ("on_success", "on_failure", "on_stopped")}
    job = foreign.enqueue_call(function, **called)
    assert_the_worker_trains_the_next_run(worker)
    wait_until(lambda: job.get_status() == "finished")
    assert not marked.exists()


def test_pickled_data_is_not_read(worker: RunningWorker, foreign: Queue, marked: Path) -> None:
    job = foreign.create_job("marks.mark")
    job.save()
    worker.redis.hset(job.key, "data", PICKLED)
    worker.redis.rpush(foreign.key, job.id)
    assert_the_worker_trains_the_next_run(worker)
    assert not marked.exists()


def test_a_malformed_job_does_not_stop_the_worker(worker: RunningWorker, foreign: Queue) -> None:
    worker.redis.hset("rq:job:malformed", mapping={"created_at": "never", "data": b"\x00", "origin": QUEUE})
    worker.redis.rpush(foreign.key, "malformed", "missing")
    assert_the_worker_trains_the_next_run(worker)


def assert_the_worker_trains_the_next_run(worker: RunningWorker) -> None:
    pid = worker.pid
    assert worker.wait_for(worker.submit(SHORT), "succeeded").attempt == 1
    assert worker.pid == pid


def test_a_run_that_does_not_fit_does_not_wake_the_worker_again_and_again(worker: RunningWorker) -> None:
    large = {**SHORT, "architecture": {"type": "mlp", "hidden": [31_000, 31_000]}}
    run_id = worker.submit(large)
    wait_until(lambda: worker.wake_queue.pending() == 0)
    assert worker.wait_for(worker.submit(SHORT), "succeeded").attempt == 1
    time.sleep(0.5)
    before = worker.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    time.sleep(1.0)
    assert worker.redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before < 20
    assert worker.store.record(run_id).status == "queued"
    worker.store.command(run_id, RequestAction("cancel"))


@pytest.mark.parametrize(("is_stopped", "idle_seconds", "is_killed"), [(True, 11, True), (False, 11, False)])
def test_a_stopped_child_without_a_run_is_killed(
    redis_url: str, tmp_path: Path, is_stopped: bool, idle_seconds: float, is_killed: bool
) -> None:
    redis = connect(redis_url, patient=True)
    parent = PreforkWorker(Settings(home=tmp_path), "parent", {}, redis)
    # RQ's children have their own group, too, which RQ kills.
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as child:
        if is_stopped:
            os.kill(child.pid, signal.SIGSTOP)
            wait_until(lambda: processes.is_stopped(child.pid))
        parent._horse_pid = child.pid
        parent.child_idle_since = time.monotonic() - idle_seconds
        parent.check_child()
        if is_killed:
            assert child.wait(60) == -signal.SIGKILL
        else:
            assert child.poll() is None
        child.kill()
