"""Clients that wait until Redis answers again, or accepts writes again."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ExecAbortError, ResponseError

from bakehouse.runs.patience import OUTAGE, WritesRefused, call, limit_patience
from bakehouse.runs.store import Store, connect
from tests.processes import wait_until
from tests.runs.examples import a_run

REFUSALS = [{"maxmemory": "1"}, {"min-replicas-to-write": "1"}]


@pytest.mark.parametrize("refuse", REFUSALS)
def test_every_kind_of_write_waits_until_redis_accepts_it(
    redis_url: str, refuse: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    def write(client: Redis, kind: str) -> object:
        match kind:
            case "command":
                return client.rpush("list", 1)
            case "script":
                return Store(client).create(a_run())
            case "blocking":
                return client.blmove("list", "other", 0.1)  # type: ignore[arg-type]
            case _:
                with client.pipeline(transaction=kind == "transaction") as pipeline:
                    pipeline.get("key")
                    pipeline.rpush("list", 1)
                    return pipeline.execute()

    kinds = ("command", "script", "blocking", "transaction", "pipeline")
    with Redis.from_url(redis_url) as redis, connect(redis_url, patient=True) as client:
        for name, value in refuse.items():
            redis.config_set(name, value)
        with ThreadPoolExecutor(len(kinds)) as threads:
            writes: list[Future[object]] = [threads.submit(write, client, kind) for kind in kinds]
            wait_until(lambda: caplog.messages)
            time.sleep(0.3)
            assert not any(write.done() for write in writes)
            assert len(caplog.messages) == 1
            for name in refuse:
                redis.config_set(name, "0")
            assert [write.exception() for write in writes] == [None] * len(kinds)


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        ResponseError("Error running script (call to f_1): @user_script:29: -OOM command not allowed. "),
        ResponseError("Command # 1 (SET a 1) of pipeline caused error: BUSY Redis is busy running a script."),
        ExecAbortError("Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."),
    ],
)
def test_a_refusal_is_an_outage_wherever_its_code_is(error: ResponseError) -> None:
    def refuse() -> None:
        raise error

    with pytest.raises(WritesRefused):
        call(refuse)


@pytest.mark.parametrize("text", ["WRONGTYPE Operation against a key", "BUSYGROUP Consumer Group name", "unknown OOM"])
def test_another_error_is_not_repeated(text: str) -> None:
    def refuse() -> None:
        raise ResponseError(text)

    with pytest.raises(ResponseError, match=text):
        call(refuse)


def test_limited_patience_ends_a_call_that_waits_already(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with connect(f"unix://{tmp_path}/missing.sock", patient=True) as client, ThreadPoolExecutor(1) as threads:
        ping = threads.submit(client.ping)
        wait_until(lambda: caplog.messages)
        assert not ping.done()
        limit_patience(client, 0.0)
        assert isinstance(ping.exception(), OUTAGE)
