"""Logs steps of runs through the store at an even rate. Imports only the package, so it can feed older ones."""

import json
import sys
import time

from bakehouse.runs.commands import LogEvents, StepEntry
from bakehouse.runs.record import Owner, Record
from bakehouse.runs.store import Store, connect


def claim(store: Store, run_id: str) -> Record:
    """Claims this run under its own id."""
    owner = Owner(nonce=run_id, host="bench", boot_id="bench", pid=1, start_time=1)
    record = store.claim(owner, fits=lambda record: record.id == run_id)
    assert record is not None
    return record


def log_step(store: Store, record: Record, step: int) -> Record:
    """Logs one step with the time at which it is sent."""
    return store.commit(record, LogEvents(record.id, (StepEntry(step, {"sent": time.time()}),)))


def main() -> None:
    """Claims the runs, logs `before` steps of each, waits for a line, and feeds; prints the steps that it fed."""
    redis_url, rate, seconds, before, *runs = sys.argv[1:]
    store = Store(connect(redis_url, patient=True))
    records = [claim(store, run_id) for run_id in runs]
    for step in range(1, int(before) + 1):
        records = [log_step(store, record, step) for record in records]
    print("ready", flush=True)
    sys.stdin.readline()
    steps = round(float(rate) * float(seconds))
    started = time.monotonic()
    for number in range(steps * len(runs)):
        time.sleep(max(0.0, started + number / (float(rate) * len(runs)) - time.monotonic()))
        place = number % len(runs)
        records[place] = log_step(store, records[place], int(before) + 1 + number // len(runs))
    print(json.dumps({"steps": steps, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main()
