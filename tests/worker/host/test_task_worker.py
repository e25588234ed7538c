"""The task process: its limits, and what no job can make it do."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from redis import Redis
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from bakehouse.data.catalog import Catalog
from bakehouse.model import JsonObject
from bakehouse.runs.keys import Keys
from bakehouse.settings import Settings
from bakehouse.tasks import queue as queue_module
from bakehouse.tasks.answers import TaskFailed, TaskFailure, decode
from bakehouse.tasks.preview import unpack
from bakehouse.tasks.queue import QUEUE, TaskQueue
from tests.processes import task_processes_of, wait_until
from tests.running_worker import RunningWorker, run_worker
from worker.host.task_worker import limit_resources
from worker.tasks.failures import failure_of

MARKS = """
import pathlib
def mark(*_):
    pathlib.Path(__file__).with_name("marked").touch()
"""
DIGITS = {"dataset": "digits", "architecture": "mlp", "augmentation": ["random_crop"]}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    """A prefork process with a worker and a task process."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "marks.py").write_text(MARKS)
    (folder / "data").mkdir()
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 48, 48)).astype(np.uint8)
    np.savez(folder / "data" / "large.npz", x=images, y=np.arange(200) % 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        with run_worker(folder / "home", data=folder / "data") as worker:
            wait_until(worker.store.task_processes)
            yield worker


def task_of(worker: RunningWorker, recipe: JsonObject) -> JsonObject:
    card = Catalog(worker.settings).card(recipe["dataset"]["id"] if "id" in recipe["dataset"] else recipe["dataset"],
                                         wait_seconds=60)  # fmt: skip
    return {"recipe": recipe, "fingerprint": card.fingerprint}


def carry_out(worker: RunningWorker, task_id: str, kind: str, document: JsonObject) -> bytes:
    """Returns the result of a task; raises TaskFailed."""
    with worker.redis.pipeline() as pipeline:
        TaskQueue(worker.redis).add_to(pipeline, task_id, kind, document)
        pipeline.execute()
    return decode(wait_until(lambda: answer_to(worker.redis, task_id)))


def answer_to(redis: Redis, task_id: str) -> bytes | None:
    answer = redis.lpop(Keys().answer(task_id))
    assert answer is None or isinstance(answer, bytes)
    return answer


def failure_in(worker: RunningWorker, task_id: str, kind: str, document: JsonObject) -> TaskFailure:
    with pytest.raises(TaskFailed) as raised:
        carry_out(worker, task_id, kind, document)
    return raised.value.failure


def assert_it_draws(worker: RunningWorker) -> None:
    _, png = unpack(carry_out(worker, os.urandom(8).hex(), "preview", task_of(worker, DIGITS)))
    assert png.startswith(b"\x89PNG")


def test_a_task_runs_in_a_child_of_the_task_process(worker: RunningWorker) -> None:
    assert task_processes_of(worker.prefork.pid) == [worker.store.task_processes()[0].pid]
    assert_it_draws(worker)
    assert [process.status for process in worker.store.task_processes()] == ["idle"]


def test_a_task_process_publishes_which_process_it_is(worker: RunningWorker) -> None:
    (listed,) = worker.store.task_processes()
    assert worker.store.processes()[listed.name].pid == listed.pid


def test_a_task_that_takes_too_long_is_ended(worker: RunningWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "TASK_SECONDS", 1)
    # Its 2,304 pixels take several seconds, most of them in one call of torch.
    slow = {"dataset": {"id": "large", "normalization": "whiten"}, "architecture": "mlp"}
    assert failure_in(worker, "slow", "preview", task_of(worker, slow)).code == "timeout"
    assert_it_draws(worker)


def test_a_task_that_needs_too_much_memory_fails() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        limit_resources(Settings(memory_bytes=1 << 30))
        try:
            torch.empty(1 << 40, dtype=torch.uint8)
        except Exception as error:  # noqa: BLE001 - as where a task ends
            os.write(writing, failure_of(error).code.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "out_of_memory"
    os.waitpid(child, 0)


def test_an_unknown_kind_of_task_fails(worker: RunningWorker) -> None:
    failure = failure_in(worker, "unknown", "no_such_kind", {})
    assert failure.code == "internal"
    assert "Traceback" not in failure.message
    assert_it_draws(worker)


@pytest.mark.parametrize("document", [{}, {"recipe": 1}, {"recipe": {"dataset": "digits"}}, []])
def test_a_document_that_is_no_task_fails(worker: RunningWorker, document: JsonObject) -> None:
    assert failure_in(worker, os.urandom(8).hex(), "preview", document).code in ("internal", "invalid_recipe")


def test_no_function_that_a_job_names_is_called(worker: RunningWorker) -> None:
    foreign = Queue(QUEUE, connection=worker.redis, serializer=JSONSerializer)
    foreign.enqueue_call("marks.mark")
    foreign.enqueue_call("marks.mark", on_success=Callback("marks.mark"), on_failure=Callback("marks.mark"))
    job = foreign.create_job("marks.mark")
    job.save()
    worker.redis.hset(job.key, "data", b"cmarks\nmark\n(tR.")
    worker.redis.rpush(foreign.key, job.id)
    assert_it_draws(worker)
    marked: Path = worker.settings.home.parent / "marked"
    assert not marked.exists()


def test_a_task_process_claims_no_run(worker: RunningWorker) -> None:
    [listed] = worker.store.workers()
    assert listed.pid == worker.pid
    run_id = worker.submit({"dataset": "iris", "architecture": "linear", "epochs": 2})
    owner = worker.wait_for(run_id, "succeeded")
    assert owner.status == "succeeded"
    assert worker.store.task_processes()[0].pid != listed.pid
