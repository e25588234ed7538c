"""`python -m bench.experiments [EXPERIMENTS]`: measures a large experiment, and the list beside many.

The runs of the large one are written by the store's own code, as workers write them; half are archived, as they are an
hour after their end.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import httpx

from bakehouse.cli.home.redis_server import redis_server
from bakehouse.model import JsonObject
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Claim, EpochEntry, LogEvents, PublishCheckpoint, Succeed
from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Checkpoint, Provenance
from bakehouse.runs.store import Store, connect
from bench.http import free_port, running_server
from bench.report import spread

EXPERIMENTS = 200
REPEATS = 20
PAGES = 100
EPOCHS = 20
PROVENANCE = Provenance(
    recipe_sha256="0" * 64, dataset_fingerprint=f"sha256:{'0' * 64}", weights_sha256="0" * 64, seed=0, exact=True,
    versions={"torch": "2.13.0"}, device="cpu", threads=1, peak_memory_bytes=1 << 28, device_seconds=1.5,
)  # fmt: skip


def grid(*, rates: int, dropouts: int, seeds: int) -> JsonObject:
    """Returns an experiment of rates x dropouts arms."""
    axes = {
        "/optimizer/lr": [round(0.0001 * 1.1**index, 8) for index in range(rates)],
        "/dropout": [round(index / (2 * dropouts), 3) for index in range(dropouts)],
    }
    recipe = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "epochs": EPOCHS}
    return {"name": "grid", "recipe": recipe, "seeds": seeds, "design": {"type": "grid", "axes": axes}, "reuse": False}


def timed(call: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    """Returns the milliseconds that a request took, and its answer."""
    started = time.perf_counter()
    response = call()
    took = 1000 * (time.perf_counter() - started)
    response.raise_for_status()
    return took, response


def submissions(client: httpx.Client) -> Iterator[tuple[str, list[float], str]]:
    """Yields, for shapes of an experiment of 1,000 runs, the milliseconds of its submission, and its id."""
    for rates, dropouts, seeds in ((5, 2, 100), (20, 10, 5), (100, 10, 1)):
        times = []
        experiment_id = ""
        for repeat in range(3):
            # Other seeds are other recipes, but their plans are remembered; a new batch size plans all of them again.
            document = grid(rates=rates, dropouts=dropouts, seeds=seeds)
            document["recipe"]["batch_size"] = 32 + repeat
            took, response = timed(lambda: client.post("/v1/experiments", json=document))  # noqa: B023 - called at once
            times.append(took)
            experiment_id = response.json()["id"]
        yield f"{rates * dropouts} arms x {seeds} seeds", times, experiment_id


def finish_all(store: Store, runs: list[str]) -> None:
    """Writes what workers write to all runs of an experiment, and archives half of them."""
    draw = Random(0)
    owner = Owner(nonce="bench", host="bench", boot_id="", pid=1, start_time=1)
    for number, run_id in enumerate(runs):
        store.command(run_id, Claim(owner, 60_000))
        loss = draw.uniform(0.1, 0.3)
        metrics = {"train_loss": loss / 2, "validation_loss": loss, "validation_accuracy": 1 - loss / 4}
        entries = tuple(
            EpochEntry(epoch, epoch, metrics, {"seconds": 0.1, "lr": 0.1}) for epoch in range(1, EPOCHS + 1)
        )
        store.command(run_id, LogEvents("bench", entries))
        best = Best(epoch=EPOCHS, monitor="validation_loss", value=loss, metrics=dict(metrics))
        checkpoint = Checkpoint(epoch=EPOCHS, roles=("best", "last"), metrics={}, sha256="0" * 64, bytes=1)
        store.command(run_id, PublishCheckpoint("bench", checkpoint, best))
        store.command(run_id, Succeed("bench", "epochs_done", PROVENANCE, {"test_accuracy": 1 - loss / 3}))
        if number % 2:
            store.archive(run_id, seq=store.head(run_id))


def main(count: int = EXPERIMENTS) -> None:
    """Prints the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        with (
            running_server([sys.executable, "-m", "service"], environment, f"{url}/healthz/ready"),
            httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
            connect(redis_url, patient=True) as redis,
        ):
            store = Store(redis, artifacts=Artifacts(Path(folder) / "artifacts"))
            for name, times, experiment_id in submissions(client):
                print(f"| submission of 1,000 runs, {name} | {spread(times, ' ms')} |", flush=True)
                path = f"/v1/experiments/{experiment_id}"
                finish_all(store, [each["run"] for each in client.get(path).json()["runs"]])
                # The first answer imports SciPy.
                client.get(f"{path}/results")
                times = [timed(lambda: client.get(f"{path}/results"))[0] for _ in range(REPEATS)]  # noqa: B023
                print(f"| its results | {spread(times, ' ms')} |", flush=True)
                times = [timed(lambda: client.get(path))[0] for _ in range(REPEATS)]  # noqa: B023
                print(f"| the experiment itself | {spread(times, ' ms')} |", flush=True)
            for number in range(count):
                document = {**grid(rates=5, dropouts=4, seeds=5), "name": f"experiment {number}"}
                client.post("/v1/experiments", json=document).raise_for_status()
            answers = [timed(lambda: client.get("/v1/experiments")) for _ in range(PAGES)]
            times = sorted(took for took, _ in answers)
            row = max(len(each) for each in answers[0][1].text.split('{"id"'))
            p99 = times[len(times) * 99 // 100]
            print(f"| a page of 20 of {count} experiments of 100 runs | {spread(times, ' ms')}, p99 {p99:.1f} ms |")
            print(f"| its largest row | {row} bytes |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
