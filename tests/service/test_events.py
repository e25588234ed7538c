"""Streams: every event once and in order, also when connections break."""

import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse
from redis import Redis

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import LogEntry, LogEvents
from bakehouse.runs.store import Store, connect
from bakehouse.runs.stream_entries import stream_position
from service import event_pages
from service.event_pages import PageQuery, read_page
from tests.fake_worker import FakeWorker
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import RunningService, start_service
from tests.runs.examples import last_change
from tests.service.requests import RECIPE, create

STREAM = {"accept": "text/event-stream"}


def follow(api: httpx.Client, path: str, last_id: str | None = None) -> Iterator[ServerSentEvent]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    with connect_sse(api, "GET", path, headers=headers, timeout=10) as source:
        source.response.raise_for_status()
        if source.response.status_code != 204:
            yield from (event for event in source.iter_sse() if event.data)


def follow_with_cuts(api: httpx.Client, path: str, cuts: random.Random) -> list[ServerSentEvent]:
    """Reads the whole stream as a client whose connection breaks often."""
    got: list[ServerSentEvent] = []
    while not got or got[-1].event != "end":
        for event in follow(api, path, got[-1].id if got else None):
            got.append(event)
            if cuts.random() < 0.1:
                break
    return got


def test_a_run_that_is_over_is_replayed_and_then_204(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.train(run)
    head = worker.store.head(run)
    events = list(follow(api, f"/v1/runs/{run}/events"))
    assert [event.event for event in events[-6:]] == ["epoch", "epoch", "epoch", "checkpoint", "state", "end"]
    assert [event.json() for event in events] == [event.model_dump() for event in worker.store.events(run)]
    assert [int(event.id) for event in events] == list(range(1, head + 1))
    rest = follow(api, f"/v1/runs/{run}/events?after={head - 2}")
    assert [int(event.id) for event in rest] == [head - 1, head]
    assert [int(event.id) for event in follow(api, f"/v1/runs/{run}/events?after=1", str(head - 1))] == [head]
    for seen in (head, 99):
        assert api.get(f"/v1/runs/{run}/events?after={seen}", headers=STREAM).status_code == 204


@pytest.mark.parametrize("seen", ["garbage", "-1", "1.5", "1e2", "9" * 20])
def test_a_malformed_last_event_id_is_422(api: httpx.Client, worker: FakeWorker, seen: str) -> None:
    run = create(api)
    answer = api.get(f"/v1/runs/{run}/events", headers={**STREAM, "Last-Event-ID": seen})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "Last-Event-ID")


def test_an_empty_last_event_id_counts_as_none(api: httpx.Client, worker: FakeWorker) -> None:
    start = current_position(api, worker)
    run = create(api)
    worker.train(run)
    empty = {**STREAM, "Last-Event-ID": ""}
    assert api.get(f"/v1/runs/{run}/events?after=1", headers=empty).text.splitlines()[1] == "id: 2"
    with api.stream("GET", f"/v1/events?run={run}&after={start}", headers=empty) as stream:
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(2)][1] == f"id: {start}"


def test_an_unknown_last_event_id_resets_the_stream_to_the_snapshot(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    head = worker.store.head(run)
    stream = follow(api, f"/v1/runs/{run}/events", str(head + 7))
    first = next(stream)
    assert (first.event, first.id, first.json()) == ("reset", str(head), {"snapshot": f"../{run}"})
    worker.log_epoch(run, 1)
    assert int(next(stream).id) == head + 1
    stream.close()  # type: ignore[attr-defined]


def test_a_stream_has_the_headers_and_frames_of_server_sent_events(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.train(run)
    answer = api.get(f"/v1/runs/{run}/events", headers={"accept": "Text/Event-Stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    first, *others, last = answer.text.split("\n\n")
    assert re.match(r"retry: \d{4}\nid: 1\nevent: state\ndata: \{", first)
    assert all(len(part.splitlines()) == 3 for part in others)
    assert last == ""


def test_each_stream_has_another_delay_before_its_client_reconnects(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.train(run)
    answers = [api.get(f"/v1/runs/{run}/events", headers=STREAM).text for _ in range(20)]
    delays = [int(answer.splitlines()[0].removeprefix("retry: ")) for answer in answers]
    assert len(set(delays)) > 1
    assert all(1000 <= delay <= 3000 for delay in delays)


@pytest.mark.parametrize("seed", range(4))
def test_a_client_that_reconnects_gets_every_event_once(api: httpx.Client, worker: FakeWorker, seed: int) -> None:
    run, pace = create(api), random.Random(seed)

    def train() -> None:
        worker.claim(run)
        for epoch in range(1, 41):
            worker.log_steps(run, 10 * epoch, 10 * epoch + pace.randrange(5))
            worker.log_epoch(run, epoch)
            time.sleep(pace.choice([0, 0, 0.01, 0.03]))
        worker.succeed(run)

    trainer = threading.Thread(target=train)
    trainer.start()
    got = follow_with_cuts(api, f"/v1/runs/{run}/events", random.Random(seed))
    trainer.join()
    assert [int(event.id) for event in got] == list(range(1, worker.store.head(run) + 1))
    assert [event.json()["data"]["epoch"] for event in got if event.event == "epoch"] == list(range(1, 41))


@pytest.mark.parametrize("seed", range(3))
def test_one_stream_of_many_runs_resumes_them_all(api: httpx.Client, worker: FakeWorker, seed: int) -> None:
    start = current_position(api, worker)
    runs = [create(api, seed=number, labels={"class": "a"}) for number in range(3)]
    other = create(api, labels={"class": "b"})

    def train() -> None:
        for run in [*runs, other]:
            worker.claim(run)
        for epoch in range(1, 16):
            for run in [*runs, other]:
                worker.log_epoch(run, epoch)
        for run in [*runs, other]:
            worker.succeed(run)

    trainer, cuts = threading.Thread(target=train), random.Random(seed)
    trainer.start()
    query = "label=class:a" if seed % 2 else "&".join(f"run={run}" for run in runs)
    got: list[ServerSentEvent] = []
    while sum(event.event == "end" for event in got) < 3:
        for event in follow(api, f"/v1/events?{query}", got[-1].id if got else start):
            got.append(event)
            if cuts.random() < 0.1 or sum(event.event == "end" for event in got) == 3:
                break
    trainer.join()
    for run in runs:
        seen = [event.json()["seq"] for event in got if event.json()["run_id"] == run]
        assert seen == list(range(1, worker.store.head(run) + 1))
    assert {event.json()["run_id"] for event in got} == set(runs)


def test_one_stream_has_runs_by_their_ids_and_runs_by_their_labels(api: httpx.Client, worker: FakeWorker) -> None:
    start = current_position(api, worker)
    labelled, single, other = create(api, labels={"class": "a"}), create(api), create(api)
    for run in (other, labelled, single):
        worker.claim(run)
    seen = set()
    for event in follow(api, f"/v1/events?label=class:a&run={single}", start):
        seen.add(event.json()["run_id"])
        if event.json()["run_id"] == single and event.json()["data"].get("status") == "running":
            break
    assert other not in seen
    assert seen == {labelled, single}


def test_one_stream_of_all_runs_has_those_that_are_submitted_later_and_only_the_wanted_types(
    api: httpx.Client, worker: FakeWorker
) -> None:
    start = current_position(api, worker)
    path = "/v1/events?all=true&type=epoch&type=state"
    stream = follow(api, path, start)
    runs = [create(api, seed=1)]
    live = [next(stream)]
    runs.append(create(api, seed=2))
    for run in runs:
        worker.claim(run)
        worker.log_steps(run, 1, 3)
        worker.log_epoch(run, 1)
    live += [next(stream) for _ in range(5)]
    stream.close()  # type: ignore[attr-defined]
    stored = list(islice(follow(api, path, start), 6))
    assert [(event.id, event.data) for event in stored] == [(event.id, event.data) for event in live]
    for run in runs:
        seen = [event.event for event in live if event.json()["run_id"] == run]
        assert seen == ["state", "state", "epoch"]


def current_position(api: httpx.Client, worker: FakeWorker) -> str:
    """The position in the change stream before the test changes anything."""
    create(api)
    return last_change(worker.store)


def test_a_trimmed_change_stream_resets_the_stream_once(
    api: httpx.Client, worker: FakeWorker, redis_server: str
) -> None:
    start = current_position(api, worker)
    run, other = create(api), create(api)
    worker.train(run)
    with Redis.from_url(redis_server) as redis:
        redis.xtrim("local:changes", maxlen=2, approximate=False)
    query = f"/v1/events?run={run}&run={other}"
    stream = follow(api, query, start)
    first = next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert (first.event, first.json()) == ("reset", {"snapshot": "runs"})
    assert stream_position(start) < stream_position(first.id) <= stream_position(last_change(worker.store))
    worker.claim(other)
    stream = follow(api, query, first.id)
    assert next(stream).event == "state"
    stream.close()  # type: ignore[attr-defined]


def test_events_are_paged_and_a_request_can_wait_for_the_next(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    worker.log_steps(run, 1, 5)
    head = worker.store.head(run)
    first = api.get(f"/v1/runs/{run}/events?limit=4").json()
    assert ([event["seq"] for event in first["data"]], first["has_more"], first["last_seq"]) == ([1, 2, 3, 4], True, 4)
    rest = api.get(f"/v1/runs/{run}/events?after=4").json()
    assert [event["seq"] for event in rest["data"]] == list(range(5, head + 1))
    assert (rest["has_more"], rest["last_seq"]) == (False, head)
    later = threading.Timer(0.2, worker.log_epoch, (run, 1))
    later.start()
    (event,) = api.get(f"/v1/runs/{run}/events?after={head}&wait=9").json()["data"]
    assert (event["seq"], event["type"]) == (head + 1, "epoch")
    later.join()


def test_a_client_that_does_not_read_delays_no_other(
    api: httpx.Client, worker: FakeWorker, service: RunningService
) -> None:
    run = create(api)
    worker.claim(run)
    url = urlsplit(service.url)
    connection = socket.create_connection((url.hostname, url.port))
    connection.sendall(
        f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n".encode()
    )
    for first in range(1, 20_001, 1000):
        worker.log_steps(run, first, first + 999)
    worker.succeed(run)
    got = [int(event.id) for event in follow(api, f"/v1/runs/{run}/events")]
    assert got == list(range(1, worker.store.head(run) + 1))
    connection.close()


def test_a_client_that_reads_late_gets_every_event_in_order(
    api: httpx.Client, worker: FakeWorker, service: RunningService
) -> None:
    run = create(api)
    worker.claim(run)
    url = urlsplit(service.url)
    with socket.socket() as connection:
        # With more than 10 MB of events, both sockets are full.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.hostname, url.port))
        headers = "host: localhost\r\naccept: text/event-stream\r\nconnection: close"
        connection.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        first = connection.recv(4096)
        entry = LogEntry("note", "x" * 10_000, {})
        for _ in range(60):
            worker.store.command(run, LogEvents(run, (entry,) * 20))

        def log_more() -> None:
            for _ in range(200):
                worker.store.command(run, LogEvents(run, (LogEntry("note", "later", {}),)))
            worker.succeed(run)

        # These events must not overtake those that wait for the client.
        later = threading.Thread(target=log_more)
        later.start()
        received = first + b"".join(iter(lambda: connection.recv(1 << 14), b""))
        later.join()
    # The size of a chunk may stand in the middle of a frame.
    frames = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", received)
    seqs = [int(found) for found in re.findall(rb"id: (\d+)\n", frames)]
    assert seqs == list(range(1, worker.store.head(run) + 1))


def test_streams_outlive_redis_and_end_with_the_service(tmp_path: Path) -> None:
    url = socket_url(tmp_path)
    redis = start_redis(tmp_path)
    service = start_service(url, tmp_path)
    try:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=10) as api:
            worker = FakeWorker(Store(connect(url, patient=True)), Artifacts(tmp_path / "artifacts"))
            run = create(api)
            worker.claim(run)
            stream = follow(api, f"/v1/runs/{run}/events")
            head = worker.store.head(run)
            assert [int(next(stream).id) for _ in range(head)] == list(range(1, head + 1))
            stop_redis(redis)
            assert api.post("/v1/runs", json=RECIPE).status_code == 503
            redis = start_redis(tmp_path)
            worker.log_epoch(run, 1)
            assert int(next(stream).id) == head + 1
            service.process.terminate()
            assert list(stream) == []
            assert service.end() == 0
    finally:
        service.process.kill()
        service.process.wait()
        stop_redis(redis)


def test_followers_of_several_runs_learn_that_one_was_deleted(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.train(run)
    head = worker.store.head(run)
    start = current_position(api, worker)
    # This stream of new events begins before the deletion.
    live = follow(api, "/v1/events?all=true&type=deleted&type=state")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(next, live)
        while not first.done():
            create(api)
        api.delete(f"/v1/runs/{run}").raise_for_status()
        events = [next(event for event in live if event.event == "deleted")]
    events.append(next(follow(api, "/v1/events?all=true&type=deleted", start)))
    for event in events:
        assert event.event == "deleted"
        told = event.json()
        assert (told["type"], told["run_id"], told["seq"], told["data"]) == ("deleted", run, head + 1, {})
    live.close()  # type: ignore[attr-defined]


def test_a_log_is_read_from_its_end_page_by_page(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    worker.log_steps(run, 1, 20)
    worker.log_epoch(run, 1)
    path = f"/v1/runs/{run}/events?limit=8&tail=true"
    head = worker.store.head(run)
    seqs: list[int] = []
    page = {"has_more": True, "first_seq": head + 1}
    while page["has_more"]:
        page = api.get(f"{path}&before={page['first_seq']}").json()
        seqs = [event["seq"] for event in page["data"]] + seqs
    assert seqs == list(range(1, head + 1))
    assert page["first_seq"] == 1
    last = api.get(path).json()
    assert (last["data"][-1]["seq"], last["last_seq"], last["first_seq"]) == (head, head, head - 7)
    assert api.get(f"{path}&after={head}").json() == {
        "data": [], "has_more": False, "first_seq": head + 1, "last_seq": head
    }  # fmt: skip
    assert api.get(f"{path}&before=1").json()["data"] == []
    worker.succeed(run)
    assert api.get(f"{path}&before=5").json()["last_seq"] == 4


def test_pages_have_the_chosen_types_however_rare_they_are(
    api: httpx.Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create(api)
    worker.claim(run)
    worker.log_epoch(run, 1)
    for first in range(1, 3001, 1000):
        worker.log_steps(run, first, first + 999)
    worker.log_epoch(run, 2)
    worker.log_steps(run, 3001, 3500)
    path = f"/v1/runs/{run}/events?type=epoch&limit=1"
    head = worker.store.head(run)
    for query, number in (("", 1), ("&tail=true", 2)):
        page = api.get(path + query).json()
        assert ([event["data"]["epoch"] for event in page["data"]], page["has_more"]) == ([number], True)
    older = api.get(f"{path}&tail=true&before={page['first_seq']}").json()
    assert ([event["data"]["epoch"] for event in older["data"]], older["has_more"]) == ([1], False)
    assert page["last_seq"] == head
    monkeypatch.setattr(event_pages, "MAX_READS", 2)
    rare = PageQuery(run, after=0, before=page["first_seq"], limit=1, tail=True, types=frozenset({"epoch"}))
    unfinished = read_page(worker.store, rare)
    assert (unfinished.data, unfinished.has_more) == ((), True)
    finished = read_page(worker.store, replace(rare, before=unfinished.first_seq))
    assert [event.data["epoch"] for event in finished.data] == [1]
