"""Runs through real Redis, service and workers: the results are the same when parts of the home are killed."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.record import Owner, Record, all_metrics, new_run, verification_of
from bakehouse.runs.run import Checkpoint
from bakehouse.settings import Settings
from tests.processes import is_running, kill, parent_of, task_processes_of, wait_until
from tests.running_home import RunningHome, redis_pid, run_home
from tests.stored_runs import ENDLESS, REFERENCE, SHORT, events_of, store_run
from worker.data.dataset import load_data

Fault = Callable[[RunningHome, Owner], None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A home with two workers, so that one can take over a run that the other has stopped working on."""
    with run_home(tmp_path_factory.mktemp("durability") / "home", workers=2) as home:
        yield home


@dataclass(frozen=True)
class Results:
    """The results of a run that must be the same however often it was interrupted."""

    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    best: Checkpoint
    last: Checkpoint
    reason: str
    metrics: dict[str, float | None]


@pytest.fixture(scope="module")
def reference_id(home: RunningHome) -> str:
    """The id of a run that was never interrupted."""
    run_id = home.submit(REFERENCE)
    record = home.wait_for(run_id, "succeeded", "failed")
    assert (record.status, record.reason, record.attempt) == ("succeeded", "early_stopped", 1)
    return run_id


@pytest.fixture(scope="module")
def reference(home: RunningHome, reference_id: str) -> Results:
    """The results that every other run of the recipe must have."""
    return results_of(home, reference_id)


def verify(home: RunningHome, run_id: str) -> Record:
    """Verifies a run over HTTP; returns the record of the run that repeats it."""
    repeated = home.wait_for(home.post(f"/v1/runs/{run_id}/verify")["id"], "succeeded", "failed")
    verified = home.get(f"/v1/runs/{run_id}").json()["verified"]
    assert repeated.verification is not None
    assert (verified["run"], verified["verdict"]) == (repeated.id, repeated.verification.verdict)
    return repeated


def test_a_verification_is_killed_half_way_and_ends_with_the_same_bits(home: RunningHome) -> None:
    run_id = home.submit({**SHORT, "dropout": 0.5, "epochs": 20})
    home.wait_for(run_id, "succeeded")
    repeated = verify(home, run_id)
    assert repeated.verification is not None
    assert (repeated.verification.run, repeated.verification.verdict) == (run_id, "identical"), repeated.verification
    assert [item.reason for item in repeated.transitions] == [
        "verification",
        "claimed",
        "worker_lost",
        "claimed",
        "epochs_done",
    ]
    log = [event.data.get("message") for event in events_of(home.store, repeated.id) if event.type == "log"]
    steps = repeated.verification.expected.step
    assert log == [f"The run resumes after step {steps // 3}."]


def test_a_run_that_a_user_stopped_is_verified_up_to_the_same_step(home: RunningHome) -> None:
    run_id = home.submit({**ENDLESS, "time_budget_seconds": 3600})
    wait_until(lambda: home.store.record(run_id).logged_epoch >= 2)
    home.post(f"/v1/runs/{run_id}/stop")
    home.wait_for(run_id, "succeeded")
    repeated = verify(home, run_id)
    assert repeated.reason == "stopped_by_user"
    assert repeated.verification is not None
    assert repeated.verification.verdict == "identical", repeated.verification


def test_a_run_with_other_weights_is_different(home: RunningHome) -> None:
    run_id = home.submit(SHORT)
    other = home.wait_for(home.submit({**SHORT, "seed": 1}), "succeeded")
    record = home.wait_for(run_id, "succeeded")
    # The recipe of the one run is compared with the results of the other.
    run = new_run(record.recipe, advice=(), steps=record.progress.steps, verification=verification_of(other))
    repeated = home.wait_for(home.store.create(run).run.id, "succeeded", "failed")
    assert repeated.verification is not None
    assert (repeated.verification.verdict, repeated.verification.tensor) == ("different", "head.bias")


def logged_over_http(home: RunningHome, run_id: str) -> list[dict[str, Any]]:
    """All events of a run."""
    events: list[dict[str, Any]] = []
    while True:
        after = events[-1]["seq"] if events else 0
        page = home.get(f"/v1/runs/{run_id}/events?limit=1000&after={after}").json()["data"]
        if not page:
            return events
        events += page


def test_the_log_over_http_has_no_gap_and_the_service_has_no_torch(home: RunningHome, reference_id: str) -> None:
    events = logged_over_http(home, reference_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "state"
    assert events[-1]["type"] == "end"
    pids = home.pids()
    assert "libtorch" not in Path(f"/proc/{pids.service}/maps").read_text()
    assert "libtorch" not in Path(f"/proc/{pids.supervisor}/maps").read_text()
    assert "libtorch" in Path(f"/proc/{pids.workers[0]}/maps").read_text()


def test_the_downloaded_best_gives_its_recorded_metrics_in_plain_torch(
    home: RunningHome, reference_id: str, tmp_path: Path
) -> None:
    run = home.get(f"/v1/runs/{reference_id}").json()
    weights = home.get(f"/v1/runs/{reference_id}/checkpoints/best/model.safetensors").content
    (tmp_path / "best.safetensors").write_bytes(weights)
    recorded = home.get(f"/v1/runs/{reference_id}/checkpoints/best").json()["metrics"]
    plan = make_plan(Recipe.model_validate_json(home.get(f"/v1/runs/{reference_id}/recipe").content), digits())
    scope: dict[str, Any] = {}
    with chdir(tmp_path):
        exec(pytorch_code(plan), scope)  # noqa: S102 - a user runs it as a script
    model: nn.Module = scope["model"]
    data = load_data(plan, BUILTIN / "digits", torch.device("cpu"))
    with torch.no_grad():
        logits, targets = model(data.validation.inputs), data.validation.targets
    assert (logits.argmax(1) == targets).double().mean().item() == recorded["validation_accuracy"]
    assert F.cross_entropy(logits, targets).item() == pytest.approx(recorded["validation_loss"], rel=1e-6)
    assert run["best"]["value"] == recorded["validation_loss"]


def kill_training(home: RunningHome, owner: Owner) -> None:
    kill(owner.pid)


def kill_worker(home: RunningHome, owner: Owner) -> None:
    kill(parent_of(owner.pid))


def kill_prefork(home: RunningHome, owner: Owner) -> None:
    prefork = home.pids().prefork
    [tasks] = wait_until(lambda: task_processes_of(prefork))
    kill(prefork)
    # The task process trains nothing, but it must not outlive its parent either.
    wait_until(lambda: not is_running(tasks))


def kill_supervisor(home: RunningHome, owner: Owner) -> None:
    kill(home.pids().supervisor)


def kill_redis(home: RunningHome, owner: Owner) -> None:
    kill(redis_pid(home.redis_url))


def kill_up(home: RunningHome, owner: Owner) -> None:
    """Kills only the parent of all: its workers still save and release their runs."""
    kill(home.process.pid)
    home.wait()
    home.start()


def kill_everything(home: RunningHome, owner: Owner) -> None:
    kill(*home.all_pids())
    home.wait()
    home.start()


def end_and_start(home: RunningHome, owner: Owner) -> None:
    assert home.end() == 0
    home.start()


def pause_and_resume(home: RunningHome, owner: Owner) -> None:
    run_id = run_owned_by(home, owner)
    home.post(f"/v1/runs/{run_id}/pause")
    home.wait_for(run_id, "paused")
    home.post(f"/v1/runs/{run_id}/resume")


def freeze(home: RunningHome, owner: Owner) -> None:
    """Stops the training process for ever; returns when it was killed and another has taken over the run."""
    run_id = run_owned_by(home, owner)
    os.kill(owner.pid, signal.SIGSTOP)
    wait_until(lambda: (other := home.store.record(run_id).owner) is not None and other.nonce != owner.nonce)
    wait_until(lambda: not is_running(owner.pid))


@pytest.mark.parametrize(
    ("fault", "attempts", "reason"),
    [
        (kill_training, 2, "worker_lost"),
        (kill_worker, 2, "worker_lost"),
        (kill_prefork, 2, "preempted"),
        (kill_supervisor, 2, "preempted"),
        (kill_redis, 1, "claimed"),
        (kill_up, 2, "preempted"),
        (kill_everything, 2, "worker_lost"),
        (end_and_start, 2, "preempted"),
        (pause_and_resume, 2, "paused_by_user"),
        (freeze, 2, "worker_lost"),
    ],
)
def test_an_interrupted_run_ends_with_the_same_bits_as_an_uninterrupted_one(
    home: RunningHome, reference: Results, fault: Fault, attempts: int, reason: str
) -> None:
    run_id = home.submit(REFERENCE)
    fault(home, home.wait_for_resume_state(run_id))
    record = home.wait_for(run_id, "succeeded", "failed")
    assert results_of(home, run_id) == reference
    assert (record.attempt, record.exact) == (attempts, True)
    assert reason in [transition.reason for transition in record.transitions]


def test_a_run_whose_redis_lost_the_end_of_its_data_has_no_hole_in_its_log(
    home: RunningHome, reference: Results
) -> None:
    run_id = home.submit(REFERENCE)
    home.wait_for_resume_state(run_id)
    kill(*home.all_pids())
    home.wait()
    [data] = home.folder.glob("redis/appendonlydir/*.incr.aof")
    # Half of what was written since the run began is lost, and with it the log up to the resume state.
    begin = data.read_bytes().rindex(b'"reason":"claimed"')
    os.truncate(data, (begin + data.stat().st_size) // 2)
    home.start()
    home.wait_for(run_id, "succeeded", "failed")
    assert results_of(home, run_id) == reference
    assert "log_rewound" in [event.data["code"] for event in events_of(home.store, run_id) if event.type == "log"]


def test_a_run_whose_resume_states_are_lost_starts_again_and_is_marked_as_restarted(
    home: RunningHome, reference: Results
) -> None:
    run_id = home.submit(REFERENCE)
    home.wait_for_resume_state(run_id)
    home.post(f"/v1/runs/{run_id}/pause")
    lost_step = home.wait_for(run_id, "paused").resume_step
    shutil.rmtree(home.folder / "artifacts" / "local" / run_id / "resume")
    home.post(f"/v1/runs/{run_id}/resume")
    home.wait_for(run_id, "succeeded", "failed")
    assert results_of(home, run_id) == reference
    run = home.get(f"/v1/runs/{run_id}").json()
    assert (run["restarted"], run["exact"]) == (True, True)
    events = logged_over_http(home, run_id)
    [note] = [event["data"] for event in events if event["type"] == "log"]
    assert (note["code"], note["step"]) == ("restarted", lost_step)


def test_a_worker_with_another_home_ends_and_says_which_setting_to_change(home: RunningHome, tmp_path: Path) -> None:
    settings = {"BAKEHOUSE_HOME": str(tmp_path), "BAKEHOUSE_REDIS_URL": home.redis_url, "BAKEHOUSE_WORKERS": "1"}
    command = [sys.executable, "-P", "-m", "worker.main"]
    ended = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert f"BAKEHOUSE_HOME={tmp_path} of this worker is not the folder that the service uses" in ended.stderr
    assert str(home.folder) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_running_run_is_cancelled_by_its_worker(home: RunningHome) -> None:
    run_id, owner = train_endlessly(home)
    home.post(f"/v1/runs/{run_id}/cancel")
    assert home.wait_for(run_id, "cancelled").transitions[-1].actor == "worker"
    wait_until(lambda: not is_running(owner.pid))


def test_a_stopped_run_succeeds_with_its_best(home: RunningHome) -> None:
    run_id, _ = train_endlessly(home)
    home.post(f"/v1/runs/{run_id}/stop")
    record = home.wait_for(run_id, "succeeded", "failed")
    assert record.reason == "stopped_by_user"
    (best,) = (item for item in record.checkpoints if "best" in item.roles)
    assert record.provenance is not None
    assert record.provenance.weights_sha256 == best.sha256
    weights = home.get(f"/v1/runs/{run_id}/checkpoints/best/model.safetensors").content
    assert hashlib.sha256(weights).hexdigest() == best.sha256


def test_a_waiting_run_is_cancelled_at_once_and_trains_one_epoch_if_it_is_stopped(home: RunningHome) -> None:
    busy = [train_endlessly(home)[0] for _ in range(2)]
    queued, paused, stopped = (home.submit(ENDLESS) for _ in range(3))
    for run_id in (paused, stopped):
        assert home.post(f"/v1/runs/{run_id}/pause")["status"] == "paused"
    for run_id in (queued, paused):
        assert home.post(f"/v1/runs/{run_id}/cancel")["status"] == "cancelled"
    assert home.post(f"/v1/runs/{stopped}/stop")["status"] == "queued"
    for run_id in busy:
        home.post(f"/v1/runs/{run_id}/cancel")
    assert home.wait_for(stopped, "succeeded", "failed").reason == "stopped_by_user"
    assert home.store.record(queued).attempt == home.store.record(paused).attempt == 0


def test_a_run_whose_wake_up_was_lost_is_still_trained(home: RunningHome) -> None:
    settings = Settings(home=home.folder)
    home.wait_for(store_run(home.store, settings, SHORT), "succeeded")


def test_the_service_is_restarted_after_it_was_killed(home: RunningHome) -> None:
    service = home.pids().service
    kill(service)
    wait_until(lambda: home.child("service") not in (0, service))
    run_id = home.store.page(limit=1).data[0].id
    wait_until(lambda: answers(home, f"/v1/runs/{run_id}"))


def train_endlessly(home: RunningHome) -> tuple[str, Owner]:
    """Submits a run that only a request ends, and waits until it has a resume state."""
    run_id = home.submit(ENDLESS)
    return run_id, home.wait_for_resume_state(run_id)


def results_of(home: RunningHome, run_id: str) -> Results:
    """Returns the results of a run and checks what must be true of every log."""
    record, events = home.store.record(run_id), events_of(home.store, run_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events].count("end") == 1
    assert events[-1].type == "end"
    steps = [event.data for event in events if event.type == "step"]
    epochs = [{**event.data, "seconds": 0} for event in events if event.type == "epoch"]
    assert [data["epoch"] for data in epochs] == list(range(1, len(epochs) + 1))
    numbers = [data["step"] for data in steps]
    assert numbers == sorted(set(numbers))
    roles = {role: item for item in record.checkpoints for role in item.roles}
    return Results(steps, epochs, roles["best"], roles["last"], record.reason, all_metrics(record))


def run_owned_by(home: RunningHome, owner: Owner) -> str:
    records = home.store.owned()
    return next(record.id for record in records if record.owner == owner)


def answers(home: RunningHome, path: str) -> bool:
    """Whether the service answers a request with success."""
    try:
        return home.get(path).is_success
    except httpx.HTTPError:
        return False


def digits() -> Any:
    return read_card(BUILTIN / "digits")
