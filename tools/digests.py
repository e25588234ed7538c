# ruff: noqa: INP001
"""Prints digests of small trainings, to show that a change of the code keeps every bit: `python -m tools.digests`.

A line has a recipe's name and digests of its events, its weights, the outputs of its best model, those of the exported
script, and the file of the checkpoint. Tables are comparable if the same machine made them with the same torch.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from bakehouse.plan.script import pytorch_code
from tests.small_trainings import Document, make_training
from tests.worker.variants import recipes
from worker.attempt.checkpoint_writer import describe
from worker.training.events import DiagnosticLog, EpochLog, Finished, TrainingEvent
from worker.training.metrics import StepLog

Table = dict[str, tuple[str, ...]]

COLUMNS = ("events", "weights", "outputs", "script", "checkpoint")
PROCESSES = 2
ROWS = 64
DIGITS = 16
FIRST: Document = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5}
SMALL: Document = {"dataset": "digits", "architecture": {"type": "mlp", "hidden": [256, 256]}, "epochs": 60}
README: dict[str, Document] = {
    "readme:first": {**FIRST, "early_stopping": 6},
    "readme:client": FIRST,
    "readme:plain": {**SMALL, "early_stopping": 6},
    "readme:norm_and_dropout": {**SMALL, "norm": "batch_norm", "dropout": 0.5, "early_stopping": 8},
    "readme:all": {
        "dataset": {"id": "digits", "normalization": "standardize", "validation_fraction": 0.2},
        "architecture": {"type": "cnn", "channels": [16, 32], "hidden": [64]},
        "norm": {"type": "group_norm", "num_groups": 4},
        "dropout": [{"type": "dropout", "rate": 0.2, "placement": "classifier"}],
        "augmentation": ["random_crop", {"type": "input_noise", "std": 0.1}],
        "regularizer": [{"type": "max_norm", "maxnorm": 3}], "optimizer": "adamw",
        "objective": {"label_smoothing": {"epsilon": 0.1, "spread": "wrong_classes"}},
        "schedule": {"type": "cosine", "warmup_epochs": 1}, "batch_size": 64, "epochs": 8,
        "early_stopping": {"type": "patience", "patience": 5}, "evaluation": {"monitor": "validation_loss"},
    },
}  # fmt: skip
"""Copies of the README's recipes, so that an edit of the README does not change the table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 if the table differs from the earlier one."""
    parser = argparse.ArgumentParser(prog="python -m tools.digests", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="a file for the table, instead of standard output")
    parser.add_argument("--against", type=Path, metavar="FILE", help="an earlier table to compare with")
    parser.add_argument("--only", default="*", metavar="GLOB", help="the names of the recipes to train")
    options = parser.parse_args(arguments)
    table = make_table(options.only)
    if not table:
        parser.error(f"no recipe's name matches {options.only}; the names are those of a whole table")
    if options.output is not None:
        options.output.write_text(as_text(table), encoding="utf-8")
    if options.against is None:
        print(f"{len(table)} recipes" if options.output else as_text(table).rstrip())
        return 0
    earlier = read_table(options.against.read_text(encoding="utf-8"), options.only)
    print(*compare(table, earlier), sep="\n")
    return int(table != earlier)


def make_table(pattern: str) -> Table:
    """Trains the recipes whose names match the pattern; returns their digests."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen = {name: recipe for name, recipe in {**README, **recipes()}.items() if fnmatchcase(name, pattern)}
    # The children are forked, so that they have the checkpoints that `recipes()` trained for other recipes.
    with get_context("fork").Pool(PROCESSES, torch.set_num_threads, (1,)) as pool:
        return dict(zip(chosen, pool.imap(digest_recipe, chosen.values()), strict=True))


def digest_recipe(document: Document) -> tuple[str, ...]:
    """Trains a recipe to its end; returns a digest for each column."""
    torch.manual_seed(0)
    training = make_training(document)
    events = [event for event in training.run() if event is not None]
    finished = events[-1]
    assert isinstance(finished, Finished)
    best = training.best_weights
    assert best is not None
    weights = {"trained": training.weights(), "last": finished.last_weights, "best": best}
    rows = training.data.test.inputs[:ROWS]
    training.model.load_state_dict(best)
    about = describe(training.plan, training.stopper.best_epoch)
    checkpoint = safetensors.torch.save(best, {"bakehouse": about})
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file, torch.inference_mode():
        file.write(checkpoint)
        file.flush()
        script: dict[str, Any] = {}
        exec(pytorch_code(training.plan, file.name), script)  # noqa: S102  # the script that users run is compared too
        outputs, by_script = training.model.eval()(rows), script["model"](rows)
    return (
        digest(json.dumps([numbers(event) for event in events]).encode()),
        digest(*(part for role, tensors in weights.items() for part in (role.encode(), *as_bytes(tensors)))),
        digest(*as_bytes({"outputs": outputs})),
        digest(*as_bytes({"outputs": by_script})),
        hashlib.sha256(checkpoint).hexdigest()[:DIGITS],
    )


def numbers(event: TrainingEvent) -> list[Any]:
    """Returns an event's values without seconds, and without the names of its fields, which a refactoring may
    change."""
    match event:
        case StepLog():
            return ["step", event.step, event.epoch, event.loss, event.lr]
        case EpochLog():
            position = [event.epoch, event.step, event.lr, event.epochs_since_best, event.is_best]
            return ["epoch", *position, sorted(event.metrics.items())]
        case DiagnosticLog():
            return ["diagnostic", event.name, event.epoch, event.step, sorted(event.values.items())]
        case Finished():
            return ["end", event.ending, sorted(event.metrics.items()), numbers(event.last)]


def as_bytes(tensors: Mapping[str, Tensor]) -> Iterator[bytes]:
    """Yields the name, type, shape and contents of each tensor, sorted by name."""
    for name, tensor in sorted(tensors.items()):
        yield f"{name} {tensor.dtype} {list(tensor.shape)}".encode()
        yield tensor.numpy().tobytes()


def digest(*parts: bytes) -> str:
    """Hashes the parts one by one, then their hashes, so that the boundaries between parts matter."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:DIGITS]


def as_text(table: Table) -> str:
    """Returns a line for each recipe, sorted by name."""
    return "".join("\t".join((name, *row)) + "\n" for name, row in sorted(table.items()))


def read_table(text: str, pattern: str = "*") -> Table:
    """Reads the lines whose recipe names match the pattern."""
    rows = [line.split("\t") for line in text.splitlines()]
    return {name: tuple(row) for name, *row in rows if fnmatchcase(name, pattern)}


def compare(table: Table, earlier: Table) -> Iterator[str]:
    """Yields a line for each recipe that differs, and a last line with the counts."""
    counts = Counter({"equal": 0, "different": 0, "new": 0, "gone": 0})
    for name in sorted({**table, **earlier}):
        now, before = table.get(name, ()), earlier.get(name, ())
        kind = "new" if not before else "gone" if not now else "equal" if now == before else "different"
        counts[kind] += 1
        columns = [column for column, a, b in zip(COLUMNS, now, before, strict=False) if a != b]
        if kind != "equal":
            yield f"{name}\t{', '.join(columns) or kind}"
    yield ", ".join(f"{count} {kind}" for kind, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
