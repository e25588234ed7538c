"""Many readers whose service is killed."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.store import Store, connect
from tests.fake_worker import FakeWorker
from tests.processes import LIMIT_SECONDS
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import RunningService, start_service
from tests.service.requests import create

RECONNECT_SECONDS = 0.05
EPOCHS = 30


@dataclass
class Reader:
    """A client that reconnects with the last id that it saw until it has seen the end of each run."""

    path: str
    ends: int
    last_id: str = ""
    events: list[tuple[str, int]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, port: int) -> None:
        """Reads until the ends of the runs, over as many connections as it takes."""
        while self.ends:
            try:
                await self.read_stream(*await asyncio.open_connection("127.0.0.1", port))
            except (ConnectionError, asyncio.IncompleteReadError):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def read_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads one response."""
        resumed = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        writer.write(
            f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{resumed}\r\n".encode()
        )
        try:
            while self.ends:
                self.take(await reader.readuntil(b"\n\n"))
        finally:
            writer.close()

    def take(self, frame: bytes) -> None:
        """Notes an event. The head of a chunk of the response may come before it."""
        if found := re.search(rb"id: (\S+)\n", frame):
            self.last_id = found[1].decode()
        if found := re.search(rb"data: (.*)\n\n", frame):
            event = json.loads(found[1])
            self.events.append((event.get("run_id", ""), event["seq"]))
            self.ends -= event["type"] == "end"
            self.begun.set()

    def seqs(self, run_id: str) -> list[int]:
        """The numbers of the run's events in the order in which they came."""
        return [seq for run, seq in self.events if run == run_id]


def test_readers_of_a_service_that_is_killed_miss_and_repeat_nothing(tmp_path: Path) -> None:
    url = socket_url(tmp_path)
    redis = start_redis(tmp_path)
    services = [start_service(url, tmp_path)]
    port = urlsplit(services[0].url).port or 0
    worker = FakeWorker(Store(connect(url, patient=True)), Artifacts(tmp_path / "artifacts"))
    try:
        with httpx.Client(base_url=services[0].url, trust_env=False) as api:
            runs = [create(api, epochs=EPOCHS, labels={"class": "a"}) for _ in range(3)]
        for run in runs:
            worker.claim(run)
        # A reader of several runs begins with new events; this id is before all of them.
        several = ["/v1/events?after=0&label=class:a", "/v1/events?after=0&" + "&".join(f"run={run}" for run in runs)]
        readers = [Reader(f"/v1/runs/{runs[0]}/events", ends=1) for _ in range(30)]
        readers += [Reader(path, ends=3) for path in several for _ in range(15)]
        asyncio.run(read_while_the_service_is_killed(readers, runs, worker, services, port))
        heads = {run: worker.store.head(run) for run in runs}
    finally:
        services[-1].process.kill()
        services[-1].process.wait()
        stop_redis(redis)
    for reader in readers[:30]:
        assert reader.seqs("") == list(range(1, heads[runs[0]] + 1))
    for reader in readers[30:]:
        assert {run: reader.seqs(run) for run in runs} == {run: list(range(1, heads[run] + 1)) for run in runs}


async def read_while_the_service_is_killed(
    readers: list[Reader], runs: list[str], worker: FakeWorker, services: list[RunningService], port: int
) -> None:
    """Trains the runs while the readers read; kills and restarts the service in the middle."""
    async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as tasks:
        for reader in readers:
            tasks.create_task(reader.read(port))
        await asyncio.gather(*(reader.begun.wait() for reader in readers))
        for epoch in range(1, EPOCHS + 1):
            for run in runs:
                await asyncio.to_thread(worker.log_epoch, run, epoch)
            if epoch == EPOCHS // 2:
                killed = services[-1]
                killed.process.kill()
                killed.process.wait()
                restart = asyncio.to_thread(start_service, killed.redis_url, killed.home, BAKEHOUSE_PORT=str(port))
                restarted = tasks.create_task(restart)
        services.append(await restarted)
        for run in runs:
            await asyncio.to_thread(worker.succeed, run)
