"""`python -m worker.train RECIPE`: one recipe in one process, without Redis or a service.

Prints the run's events on stdout, one JSON object a line, as the service's event log has them. The folder
keeps the record, the log, `best.safetensors`, and what is needed to go on after an interruption.
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
from typing import Any

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
from worker.attempt.attempt import Attempt, RunStorage

# There is nobody to take the run over.
LEASE_MS = 10**12
SUCCEEDED, FAILED, INVALID, CANCELLED, INTERRUPTED = 0, 1, 2, 5, 130


class FolderRecordStore:
    """The record in memory, and in a folder after every command."""

    def __init__(self, record: Record, folder: Path) -> None:
        self.record, self.folder = record, folder

    def commit(self, command: Command) -> None:
        """Carries out a command, prints and keeps its events."""
        record, events = reduce(self.record, command, now_ms())
        self.accept(record, events)

    def accept(self, record: Record, events: Iterable[NewEvent]) -> None:
        """Numbers the events and keeps them before the record that counts them."""
        lines = []
        for seq, event in enumerate(events, start=record.seq + 1):
            numbered = Event(seq=seq, time=rfc3339(now_ms()), attempt=event.attempt, type=event.type, data=event.data)
            lines.append(numbered.model_dump_json())
        record = record.model_copy(update={"seq": record.seq + len(lines)})
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as log:
            log.writelines(f"{line}\n" for line in lines)
        aside = self.folder / f"{RECORD}.tmp"
        aside.write_text(record.model_dump_json(), encoding="utf-8")
        aside.rename(self.folder / RECORD)
        self.record = record
        if lines:
            print(*lines, sep="\n", flush=True)


def main() -> int:
    """The exit code says how it ended."""
    arguments = parse_arguments()
    settings = Settings()
    try:
        document = parse_json(read(arguments.recipe))
        limits = Limits(parameters=settings.max_parameters)
        prepared = prepare(document, Catalog(settings), limits, saved=LocalRuns(settings.trained), wait_seconds=1800)
    except (MalformedJson, RecipeInvalid, DatasetNotReady, OSError) as error:
        return refuse(error)
    folder = arguments.output or settings.trained / prepared.plan.recipe.sha256()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return train(prepared, folder, settings)


def parse_arguments() -> argparse.Namespace:
    """A recipe and a folder."""
    parser = argparse.ArgumentParser(prog="python -m worker.train", description="Train one recipe, here and now.")
    parser.add_argument("recipe", help="a JSON file, or - for standard input")
    parser.add_argument(
        "-o", "--output", type=Path, help="the folder of results; by default one by the recipe's digest"
    )
    return parser.parse_args()


def read(recipe: str) -> bytes:
    """The file's bytes."""
    return sys.stdin.buffer.read() if recipe == "-" else Path(recipe).read_bytes()


def refuse(error: Exception) -> int:
    """What is wrong, a line a problem."""
    problems = error.problems if isinstance(error, RecipeInvalid) else ()
    for problem in problems:
        allowed = f" (allowed: {', '.join(problem.allowed)})" if problem.allowed else ""
        print(f"{problem.pointer or '/'}: {problem.message}{allowed}", file=sys.stderr)
    if not problems:
        print(error, file=sys.stderr)
    return INVALID


def train(prepared: Prepared, folder: Path, settings: Settings) -> int:
    """A new run, or the one that was interrupted in this folder."""
    record_store = open_record_store(prepared, folder)
    if record_store.record.is_over:
        return exit_code(record_store.record, folder)
    nonce = secrets.token_hex(16)
    record_store.commit(Claim(Owner(nonce=nonce, host="", boot_id="", pid=os.getpid(), start_time=0), LEASE_MS))
    artifacts = Artifacts(folder / FILES)
    attempt = Attempt(record_store, nonce, RunStorage(settings, artifacts, LocalRuns(settings.trained)))

    def terminate(*_: Any) -> None:
        attempt.terminated = True

    signal.signal(signal.SIGINT, terminate)
    signal.signal(signal.SIGTERM, terminate)
    attempt.run()
    publish_best(record_store.record, artifacts, folder)
    return exit_code(record_store.record, folder)


def open_record_store(prepared: Prepared, folder: Path) -> FolderRecordStore:
    """Goes on with the folder's run if it is of this recipe and not over; else starts anew."""
    kept, run_id = folder / RECORD, new_run_id()
    if kept.exists():
        record = parse_record(kept.read_text(encoding="utf-8"))
        # The recorded digest does not serve: fields may have been added to the language since.
        is_same = record.recipe.sha256() == prepared.plan.recipe.sha256()
        # The same weights again, which other runs may build on.
        run_id = record.id if is_same else run_id
        if is_same and not record.is_over:
            record_store = FolderRecordStore(record, folder)
            cut_log(folder, record.seq)
            if record.owner is not None:
                record_store.commit(OwnerLost(nonce=record.owner.nonce))
            return record_store
        clear(folder)
    recipe = prepared.plan.recipe
    patience = recipe.early_stopping.patience if isinstance(recipe.early_stopping, Patience) else None
    run = new_run(
        recipe,
        advice=prepared.advice,
        steps=prepared.plan.steps,
        dataset_fingerprint=prepared.plan.card.fingerprint,
        patience=patience,
    )
    record, events = submit(run.model_copy(update={"id": run_id}), idempotency=None, now=now_ms())
    record_store = FolderRecordStore(record, folder)
    record_store.accept(record, events)
    return record_store


def cut_log(folder: Path, seq: int) -> None:
    """What a killed process logged and no record counts will be logged again."""
    with (folder / "events.jsonl").open("r+b") as log:
        for _ in range(seq):
            log.readline()
        log.truncate()


def clear(folder: Path) -> None:
    """Removes what an earlier run left; nothing else in the folder is touched."""
    for name in (RECORD, "events.jsonl", "best.safetensors"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / FILES, ignore_errors=True)


def publish_best(record: Record, artifacts: Artifacts, folder: Path) -> None:
    """The best checkpoint, where a person looks for it."""
    for checkpoint in record.checkpoints:
        if "best" in checkpoint.roles:
            shutil.copyfile(artifacts.checkpoint_path(record.id, checkpoint.sha256), folder / "best.safetensors")
    artifacts.clean_up_after(record)


def exit_code(record: Record, folder: Path) -> int:
    """Says what happens next where the run is not over."""
    match record.status:
        case "succeeded":
            return SUCCEEDED
        case "failed":
            print(record.failure.message if record.failure else "failed", file=sys.stderr)
            return FAILED
        case "cancelled":
            return CANCELLED
        case _:
            print(f"interrupted; the same command goes on from {folder}", file=sys.stderr)
            return INTERRUPTED


def now_ms() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
