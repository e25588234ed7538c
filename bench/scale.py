"""`python -m bench.scale [RUNS]`: measures the service beside many finished runs, and a restart with a full queue.

The finished runs (1,000,000 by default) are written by the store's own code, as they are an hour after their end.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import httpx
from redis import Redis

from bakehouse.cli.home.redis_server import redis_server
from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.runs import wire, writes
from bakehouse.runs.commands import Claim, LogEvents, StepEntry, Succeed
from bakehouse.runs.keys import Keys
from bakehouse.runs.record import Owner, Record, new_run, new_run_id
from bakehouse.runs.run import Provenance
from bakehouse.runs.scripts import COMMIT
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bench.http import free_port, running_server
from bench.report import resident_megabytes, spread

FINISHED = 1_000_000
RUNS_PER_ROUND_TRIP = 500
QUEUED = 10_000
WORKERS = 4
CONNECTIONS = 32
PAGES = 300
RECIPES: list[dict[str, object]] = [
    {"dataset": dataset, "architecture": "mlp", "norm": norm, "dropout": 0.5, "labels": {"study": norm}}
    for dataset in ("iris", "digits")
    for norm in ("batch_norm", "layer_norm", "none")
]
QUEUED_RECIPE = {"dataset": "iris", "architecture": "mlp", "epochs": 200, "early_stopping": "none"}
FILTERS = ("status=succeeded", "label=study:batch_norm", "dataset=iris", "architecture=mlp")
PROVENANCE = Provenance(
    recipe_sha256="0" * 64, dataset_fingerprint=f"sha256:{'0' * 64}", weights_sha256="0" * 64, seed=0, exact=True,
    versions={"torch": "2.13.0"}, device="cpu", threads=1, peak_memory_bytes=1 << 28, device_seconds=1.5,
)  # fmt: skip


def finish_run(store: Store, settings: Settings, document: dict[str, object]) -> str:
    """Submits a run and writes what a worker writes; returns its id."""
    plan = prepare(document, Catalog(settings), Limits(parameters=10**9), wait_seconds=60).plan
    run_id = store.create(new_run(plan.recipe, advice=(), steps=plan.steps)).run.id
    store.command(run_id, Claim(Owner(nonce="bench", host="bench", boot_id="", pid=1, start_time=1), 60_000))
    steps = tuple(StepEntry(step, {"epoch": 1, "train_loss": 1 / step, "lr": 0.001}) for step in range(1, 51))
    store.command(run_id, LogEvents("bench", steps))
    store.command(run_id, Succeed("bench", "epochs_done", PROVENANCE, {"test_accuracy": 0.9}))
    store.archive(run_id, seq=store.head(run_id))
    return run_id


def copies(redis: Redis, templates: list[str], count: int) -> Iterator[list[str]]:
    """Yields, for each copy of a finished run, the arguments of the script that stores it."""
    keys = Keys()
    arguments = [(run_id, *copy_arguments(redis, keys, run_id)) for run_id in templates]
    for number in range(count):
        template, recipe, texts = arguments[number % len(arguments)]
        run_id = new_run_id()
        # Most runs have a seed of their own, and so an index of their recipe.
        digest = secrets.token_hex(32)
        own = [text.replace(template, run_id).replace(recipe, digest) for text in texts]
        yield own


def copy_arguments(redis: Redis, keys: Keys, run_id: str) -> tuple[str, list[str]]:
    """Returns the digest of a finished run's recipe, and the arguments of the script that stores the run as a new one,
    as it is after its archival."""
    fields = wire.decoded(redis.hgetall(keys.run(run_id)))
    known = {name: fields[name] for name in Record.model_fields if name in fields}
    record = wire.decode(fields)
    packed = {name: fields[name] for name in ("id", "status", wire.PACKED)}
    write = replace(writes.creation(keys, record, (), known), fields=packed)
    return record.recipe_sha256, writes.script_arguments([write], secrets.token_hex(16))


def store_copies(redis: Redis, templates: list[str], count: int) -> None:
    """Stores copies of finished runs, many in a round trip."""
    script = redis.script_load(COMMIT.text)
    keys = Keys().of_script(None)
    arguments = copies(redis, templates, count)
    while batch := list(islice(arguments, RUNS_PER_ROUND_TRIP)):
        with redis.pipeline(transaction=False) as pipeline:
            for each in batch:
                pipeline.evalsha(script, len(keys), *keys, *each)
            pipeline.execute()


def wait_for_rewrite(redis: Redis) -> None:
    """Waits until Redis no longer rewrites its log, which keeps the disk busy."""
    while redis.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(1)


def measure_pages(url: str) -> dict[str, list[float]]:
    """Returns the milliseconds of each page of the list, by filter."""
    times: dict[str, list[float]] = {}
    with httpx.Client(base_url=url, timeout=60) as client:
        for query in FILTERS:
            cursor = ""
            times[query] = []
            for _ in range(PAGES):
                started = time.perf_counter()
                page = client.get(f"/v1/runs?{query}&limit=20{cursor}").json()
                times[query].append(1000 * (time.perf_counter() - started))
                cursor = f"&after={page['last_id']}" if page["has_more"] else ""
    return times


def measure_finished(count: int) -> None:
    """Prints the memory of a finished run in Redis, and the service's figures without and with many of them."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder:
        with redis_server(Path(folder)) as redis_url:
            port = free_port()
            environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
            url = f"http://127.0.0.1:{port}"
            print("| start of the service, memory, without runs |", measure_start(environment, url), "|", flush=True)
            fill(redis_url, Settings(home=Path(folder)), count)
            print(f"| the same with {count:,} finished runs |", measure_start(environment, url), "|", flush=True)
            with running_server([sys.executable, "-m", "service"], environment, f"{url}/healthz/ready") as pid:
                for query, times in measure_pages(url).items():
                    p99 = sorted(times)[len(times) * 99 // 100]
                    print(f"| a page of 20 with `{query}` | {spread(times, ' ms')}, p99 {p99:.1f} ms |", flush=True)
                print(f"| memory of the service afterwards | {resident_megabytes(pid):.0f} MB |", flush=True)
        started = time.perf_counter()
        with redis_server(Path(folder)):
            print(f"| start of Redis with them | {time.perf_counter() - started:.1f} s |", flush=True)


def fill(redis_url: str, settings: Settings, count: int) -> None:
    """Stores finished runs; prints the memory of each."""
    with connect(redis_url, patient=True) as redis:
        store = Store(redis)
        templates = [finish_run(store, settings, document) for document in RECIPES]
        before = redis.info("memory")["used_memory"]
        started = time.perf_counter()
        store_copies(redis, templates, count)
        seconds = time.perf_counter() - started
        each = (redis.info("memory")["used_memory"] - before) / count
        print(f"| a finished run in Redis, with its share of all indexes | {each:,.0f} bytes (n = {count:,}) |")
        print(f"| storing them | {count / seconds:,.0f} a second |", flush=True)
        wait_for_rewrite(redis)


def measure_start(environment: dict[str, str], url: str) -> str:
    """Returns the seconds until the service is ready, and its memory then."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        with running_server([sys.executable, "-m", "service"], environment, f"{url}/healthz/ready") as pid:
            seconds.append(time.perf_counter() - started)
            memory = resident_megabytes(pid)
    return f"{spread(seconds, ' s')}, {memory:.0f} MB"


async def submit_all(url: str, count: int) -> float:
    """Submits runs over many connections; returns the seconds that this took."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as client:
        waiting = asyncio.Semaphore(CONNECTIONS)

        async def submit(seed: int) -> None:
            async with waiting:
                (await client.post("/v1/runs", json={**QUEUED_RECIPE, "seed": seed})).raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*map(submit, range(count)))
        return time.perf_counter() - started


def start_home(folder: str) -> tuple["subprocess.Popen[str]", str]:
    """Starts a home; returns its process and its address once it is ready."""
    environment = {"BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": "0", "BAKEHOUSE_WORKERS": str(WORKERS)}
    program = "from bakehouse.cli.entry import main; main()"
    home = subprocess.Popen(
        [sys.executable, "-P", "-c", program, "up"], env={**os.environ, **environment}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert home.stdout is not None
    return home, home.stdout.readline().strip()


def count_runs(url: str) -> list[str]:
    """Returns the ids of all runs."""
    ids: list[str] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            page = client.get(f"/v1/runs?limit=100{f'&after={ids[-1]}' if ids else ''}").json()
            ids += [run["id"] for run in page["data"]]
            if not page["has_more"]:
                return ids


def kill_tree(pid: int) -> None:
    """Kills a process and all its descendants."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            kill_tree(int(child))
    os.kill(pid, signal.SIGKILL)


def measure_restart() -> None:
    """Prints whether all queued runs are there after everything was killed and started again."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder:
        home, url = start_home(folder)
        seconds = asyncio.run(submit_all(url, QUEUED))
        before = set(count_runs(url))
        kill_tree(home.pid)
        home.wait()
        started = time.perf_counter()
        home, url = start_home(folder)
        ready = time.perf_counter() - started
        after = count_runs(url)
        over = httpx.get(f"{url}/v1/runs?status=succeeded&limit=1", timeout=60).json()["data"]
        home.send_signal(signal.SIGTERM)
        home.wait()
    print(f"| {QUEUED:,} runs posted beside {WORKERS} workers | {QUEUED / seconds:,.0f} a second |")
    found = f"{len(after):,} listed, {len(before - set(after))} lost, {len(after) - len(set(after))} doubled"
    print(f"| after `kill -9` of everything | {found}; ready after {ready:.1f} s; {'some' if over else 'none'} over |")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FINISHED
    print("| what | figure |\n|---|---|", flush=True)
    measure_restart()
    measure_finished(count)


if __name__ == "__main__":
    main()
