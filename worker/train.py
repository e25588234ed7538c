"""Trains one recipe in one process, without Redis or a service: `python -m worker.train RECIPE`.

Prints the run's events to stdout in the format of the service's event log, one JSON object per line. The output folder
holds the record, the log, `best.safetensors`, and the files from which an interrupted run resumes.
"""

import argparse
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetNotReady
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.problems import MalformedJson, RecipeInvalid
from bakehouse.recipe.read import parse_json
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Claim, Command, OwnerLost
from bakehouse.runs.local_runs import FILES, RECORD, LocalRuns
from bakehouse.runs.migrations import parse_record
from bakehouse.runs.record import NewEvent, Owner, Record, new_run, new_run_id, rfc3339
from bakehouse.runs.run import Event
from bakehouse.runs.transitions import reduce, submit
from bakehouse.settings import Settings
from worker.attempt.attempt import Attempt
from worker.attempt.setup import RunStorage

# No other process takes over the run, so the lease never ends.
LEASE_MS = 10**12
PACKING_SECONDS = 1800
EVENTS = "events.jsonl"
BEST = "best.safetensors"
# Exit codes.
SUCCEEDED = 0
FAILED = 1
INVALID = 2
CANCELLED = 5
INTERRUPTED = 130


class RecordUnreadable(Exception):
    """Raised if the record in the folder cannot be read, so that it is unknown which run the folder holds."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not a record that this version can read: choose another folder with -o, or remove {RECORD} "
            f"and {EVENTS} from this one to train from the beginning."
        )


class FolderRecordStore:
    """Holds the record in memory, and writes it into a folder after every command."""

    def __init__(self, record: Record, folder: Path) -> None:
        self.record = record
        self.folder = folder

    def commit(self, command: Command) -> None:
        """Carries out a command; logs and prints its events."""
        record, events = reduce(self.record, command, now_ms())
        self.accept(record, events)

    def accept(self, record: Record, events: Iterable[NewEvent]) -> None:
        """Numbers and logs the events, and then writes the record, whose `seq` is the number of the last event."""
        lines = []
        for seq, event in enumerate(events, start=record.seq + 1):
            numbered = Event(seq=seq, time=rfc3339(now_ms()), attempt=event.attempt, type=event.type, data=event.data)
            lines.append(numbered.model_dump_json())
        record = record.model_copy(update={"seq": record.seq + len(lines)})
        with (self.folder / EVENTS).open("a", encoding="utf-8") as log:
            log.writelines(f"{line}\n" for line in lines)
        unfinished = self.folder / f"{RECORD}.tmp"
        unfinished.write_text(record.model_dump_json(), encoding="utf-8")
        unfinished.rename(self.folder / RECORD)
        self.record = record
        if lines:
            print(*lines, sep="\n", flush=True)


def main() -> int:
    """Trains the recipe that the command line names; returns the exit code."""
    arguments = parse_arguments()
    settings = Settings()
    limits = Limits(parameters=settings.max_parameters)
    runs = LocalRuns(settings.trained)
    try:
        document = parse_json(read(arguments.recipe))
        prepared = prepare(document, Catalog(settings), limits, runs=runs, wait_seconds=PACKING_SECONDS)
    except (MalformedJson, RecipeInvalid, DatasetNotReady, OSError) as error:
        print_problems(error)
        return INVALID
    folder = arguments.output or settings.trained / prepared.plan.recipe.sha256()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return train(prepared, folder, settings)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m worker.train", description="Train one recipe in this process.")
    parser.add_argument("recipe", help="the recipe's JSON file, or - for standard input")
    parser.add_argument(
        "-o", "--output", type=Path, help="the folder for the results; by default it is named by the recipe's digest"
    )
    return parser.parse_args()


def read(recipe: str) -> bytes:
    return sys.stdin.buffer.read() if recipe == "-" else Path(recipe).read_bytes()


def print_problems(error: Exception) -> None:
    """Prints the recipe's problems, one per line."""
    problems = error.problems if isinstance(error, RecipeInvalid) else ()
    for problem in problems:
        allowed = f" (allowed: {', '.join(problem.allowed)})" if problem.allowed else ""
        print(f"{problem.pointer or '/'}: {problem.message}{allowed}", file=sys.stderr)
    if not problems:
        print(error, file=sys.stderr)


def train(prepared: Prepared, folder: Path, settings: Settings) -> int:
    """Trains a new run, or resumes the interrupted run in this folder; returns the exit code."""
    try:
        record_store = open_record_store(prepared, folder)
    except RecordUnreadable as error:
        print(error, file=sys.stderr)
        return INVALID
    if record_store.record.is_over:
        return exit_code(record_store.record, folder)
    nonce = secrets.token_hex(16)
    record_store.commit(Claim(Owner(nonce=nonce, host="", boot_id="", pid=os.getpid(), start_time=0), LEASE_MS))
    artifacts = Artifacts(folder / FILES)
    attempt = Attempt(record_store, nonce, RunStorage(settings, artifacts, LocalRuns(settings.trained)))

    def terminate(*_: object) -> None:
        attempt.terminate()

    signal.signal(signal.SIGINT, terminate)
    signal.signal(signal.SIGTERM, terminate)
    attempt.run()
    publish_best(record_store.record, artifacts, folder)
    return exit_code(record_store.record, folder)


def open_record_store(prepared: Prepared, folder: Path) -> FolderRecordStore:
    """Opens the folder's run if it has the same recipe and is not over; otherwise begins a new run there.

    Raises RecordUnreadable.
    """
    run_id = new_run_id()
    if (folder / RECORD).exists():
        record = read_record(folder / RECORD)
        # The digest in the record is not used, because recipes may have got new fields since it was computed.
        is_same = record.recipe.sha256() == prepared.plan.recipe.sha256()
        if is_same and not record.is_over:
            return reopen(record, folder)
        if is_same:
            # The id is kept: the same recipe gives the same weights, and other runs may build on them by this id.
            run_id = record.id
        clear(folder)
    return begin(prepared, run_id, folder)


def read_record(path: Path) -> Record:
    try:
        return parse_record(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RecordUnreadable(path) from error


def reopen(record: Record, folder: Path) -> FolderRecordStore:
    """Takes over the run from a process that was interrupted."""
    record_store = FolderRecordStore(record, folder)
    cut_log(folder, record.seq)
    if record.owner is not None:
        record_store.commit(OwnerLost(nonce=record.owner.nonce))
    return record_store


def begin(prepared: Prepared, run_id: str, folder: Path) -> FolderRecordStore:
    """Submits a new run in an empty folder."""
    plan = prepared.plan
    stopping = plan.recipe.early_stopping
    run = new_run(
        plan.recipe,
        advice=prepared.advice,
        steps=plan.steps,
        dataset_fingerprint=plan.card.fingerprint,
        patience=stopping.patience if isinstance(stopping, Patience) else None,
    )
    record, events = submit(run.model_copy(update={"id": run_id}), idempotency=None, now=now_ms())
    record_store = FolderRecordStore(record, folder)
    record_store.accept(record, events)
    return record_store


def cut_log(folder: Path, seq: int) -> None:
    """Removes events that a killed process logged but did not count in its record; they will be logged again."""
    with (folder / EVENTS).open("r+b") as log:
        for _ in range(seq):
            log.readline()
        log.truncate()


def clear(folder: Path) -> None:
    """Removes the files of an earlier run, and nothing else in the folder."""
    for name in (RECORD, EVENTS, BEST):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / FILES, ignore_errors=True)


def publish_best(record: Record, artifacts: Artifacts, folder: Path) -> None:
    """Copies the best checkpoint to `best.safetensors`, and removes files that a finished run no longer needs."""
    for checkpoint in record.checkpoints:
        if "best" in checkpoint.roles:
            shutil.copyfile(artifacts.checkpoint_path(record.id, checkpoint.sha256), folder / BEST)
    artifacts.clean_up_after(record)


def exit_code(record: Record, folder: Path) -> int:
    """Returns the exit code; prints the reason if the run failed, or how to resume it if it was interrupted."""
    match record.status:
        case "succeeded":
            return SUCCEEDED
        case "failed":
            print(record.failure.message if record.failure else "failed", file=sys.stderr)
            return FAILED
        case "cancelled":
            return CANCELLED
        case _:
            print(f"interrupted; run the same command again to resume from {folder}", file=sys.stderr)
            return INTERRUPTED


def now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
