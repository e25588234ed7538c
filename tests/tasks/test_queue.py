"""Tasks and their answers in Redis."""

import pytest
from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

from bakehouse.runs.keys import Keys
from bakehouse.tasks import queue as module
from bakehouse.tasks.answers import TaskFailed, TaskFailure, decode, encode_failure, encode_result
from bakehouse.tasks.queue import ANSWER_SECONDS, TaskQueue, wait_of

KEYS = Keys()


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


@pytest.fixture
def queue(redis: Redis) -> TaskQueue:
    return TaskQueue(redis)


def add(redis: Redis, queue: TaskQueue, task_id: str) -> None:
    with redis.pipeline() as pipeline:
        queue.add_to(pipeline, task_id, "preview", {"a": 1})
        pipeline.execute()


def test_a_task_is_json_and_expires(redis: Redis, queue: TaskQueue) -> None:
    add(redis, queue, "t1")
    job = Job.fetch("t1", connection=redis, serializer=JSONSerializer)
    assert job.args == ["preview", {"a": 1}]
    assert 0 < redis.ttl(job.key) <= wait_of("preview")
    assert redis.lrange(queue.key, 0, -1) == [b"t1"]


def test_a_task_that_is_dropped_leaves_nothing(redis: Redis, queue: TaskQueue) -> None:
    add(redis, queue, "t1")
    with redis.pipeline() as pipeline:
        queue.drop_in(pipeline, "t1")
        pipeline.execute()
    assert redis.lrange(queue.key, 0, -1) == []
    assert not redis.exists(Job.key_for("t1"))


def test_an_answer_that_nobody_collects_expires(redis: Redis, queue: TaskQueue) -> None:
    queue.answer("t1", encode_result(b"\0\xff\n"))
    key = KEYS.answer("t1")
    assert 0 < redis.ttl(key) <= ANSWER_SECONDS
    answer = redis.lpop(key)
    assert isinstance(answer, bytes)
    assert decode(answer) == b"\0\xff\n"


def test_a_failure_is_raised_as_it_was_given() -> None:
    failure = TaskFailure(code="dataset_not_ready", message="wait", dataset="mine")
    with pytest.raises(TaskFailed) as raised:
        decode(encode_failure(failure))
    assert raised.value.failure == failure


def test_an_answer_that_is_too_large_is_a_failure(
    redis: Redis, queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 10)
    queue.answer("t1", encode_result(b"x" * 10))
    answer = redis.lpop(KEYS.answer("t1"))
    assert isinstance(answer, bytes)
    with pytest.raises(TaskFailed, match="more than 10 bytes"):
        decode(answer)


def test_tasks_that_were_taken_and_not_begun_are_queued_again_in_their_order(redis: Redis, queue: TaskQueue) -> None:
    add(redis, queue, "t3")
    redis.rpush("rq:queue:tasks:intermediate", "t1", "t2")
    queue.requeue_taken()
    assert redis.lrange(queue.key, 0, -1) == [b"t1", b"t2", b"t3"]


def test_the_task_that_a_process_has_begun_is_known_until_it_ends(redis: Redis, queue: TaskQueue) -> None:
    queue.note_begin("here", "t1")
    assert queue.note_end("there") is None
    assert queue.note_end("here") == "t1"
    assert queue.note_end("here") is None
