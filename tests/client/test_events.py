"""Events of a run over connections that are cut."""

import json
import threading

import pytest

from bakehouse.client import Client, NotFound, RunEvent
from tests.client.conftest import CutUrl, through
from tests.fake_worker import FakeWorker
from tests.runs.examples import a_run
from tests.scripted_server import Response, Script

RECIPE = {"dataset": "digits", "architecture": "mlp", "epochs": 30, "labels": {"strange": "line\u2028separator"}}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which the client would have slept before it reconnected."""
    slept: list[float] = []
    monkeypatch.setattr("bakehouse.client.transport.time.sleep", slept.append)
    return slept


@pytest.mark.parametrize("cuts", [[], [0], [1, 200], [400, 700, 1000, 0, 300], [900] * 12])
def test_a_cut_stream_has_no_gap_and_no_repetition(
    client: Client, worker: FakeWorker, cut_url: CutUrl, pauses: list[float], cuts: list[int]
) -> None:
    run = client.submit(RECIPE)
    worker.train(run.id, [1 / epoch for epoch in range(1, 31)])
    with Client(cut_url(cuts)) as cut_client:
        record = through(cut_client, run)
        events = list(record.stream())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.epoch for event in events if event.type == "epoch"] == list(range(1, 31))
    assert events[-1].type == "end"
    assert record.status == "succeeded"
    assert len(pauses) == len(cuts)


def test_the_client_reconnects_after_the_pause_that_the_stream_asked_for(
    client: Client, worker: FakeWorker, cut_url: CutUrl, pauses: list[float]
) -> None:
    run = client.submit(RECIPE)
    worker.train(run.id, [1 / epoch for epoch in range(1, 31)])
    with Client(cut_url([2000] * 4)) as cut_client:
        list(through(cut_client, run).stream())
    # service/streams.py asks for 1 to 3 s; the client adds up to 30 %, and a first delay would be 0.1 s.
    assert all(1.0 <= pause <= 3.9 for pause in pauses)
    assert len(set(pauses)) == len(pauses) == 4


def test_events_arrive_while_the_run_trains(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    worker.claim(run.id)
    seen: list[RunEvent] = []
    for event in run.stream():
        seen.append(event)
        if event.type == "state" and event.data["status"] == "running":
            worker.log_losses(run.id, [0.9])
        if event.type == "epoch":
            threading.Thread(target=worker.succeed, args=(run.id,)).start()
    assert [event.type for event in seen if event.type != "advice"] == ["state", "state", "epoch", "state", "end"]
    assert seen[-3].metrics == {
        "train_loss": 0.45,
        "validation_loss": 0.9,
        "validation_accuracy": 0.91,
        "lr": 0.1,
        "seconds": 1.0,
    }


def test_a_log_that_was_read_to_its_end_has_no_more_events(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    worker.train(run.id, [0.5])
    last = [*run.stream()][-1].seq
    assert list(run.stream(after=last)) == []
    assert [event.seq for event in run.stream(after=last - 2)] == [last - 1, last]


def test_a_deleted_run_is_not_found(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    run.cancel()
    worker.store.delete(run.id)
    with pytest.raises(NotFound, match=run.id):
        list(run.stream())


def test_heartbeats_are_no_events(script: Script) -> None:
    record = a_run()
    end = {"seq": 1, "time": record.created_at, "attempt": 0, "type": "end", "data": {}}
    frames = "retry: 1\nevent: heartbeat\ndata:\n\n" + f"id: 1\nevent: end\ndata: {json.dumps(end)}\n\n"
    answer: Response = (200, {}, record.model_dump_json())
    server = script([answer, (200, {"Content-Type": "text/event-stream"}, frames), answer])
    with Client(server.url) as client:
        assert [event.type for event in client.run(record.id).stream()] == ["end"]


def test_a_metric_that_was_not_finite_is_none() -> None:
    data = {
        "epoch": 3,
        "step": 9,
        "train_loss": None,
        "name": "x",
        "best": True,
        "lr": 0.1,
        "non_finite": ["train_loss"],
    }
    event = RunEvent(seq=1, time="", attempt=1, type="epoch", data=data)
    assert event.metrics == {"train_loss": None, "lr": 0.1}
    assert (event.epoch, event.step) == (3, 9)
