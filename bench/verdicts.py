"""Counts false alarms and misses of the verdicts: `python -m bench.verdicts [SEEDS]`.

Trains recipes that a practitioner would call healthy, and with half as many seeds recipes that go wrong in a known way,
in this process, on one torch thread, and looks at the verdicts.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import torch

from bakehouse.verdict.rules import RULES
from bench.finished import Document, finished_training
from worker.attempt.verdicts import verdicts_of

SEEDS = 8
LEARNED = "learned"


def on(dataset: object, architecture: object, **fields: object) -> Document:
    return {"dataset": dataset, "architecture": architecture, **fields}


def mlp(*hidden: int, activation: str = "relu") -> Document:
    return {"type": "mlp", "hidden": list(hidden), "activation": activation}


def adam(lr: float) -> Document:
    return {"type": "adam", "lr": lr}


def sgd(lr: float) -> Document:
    return {"type": "sgd", "lr": lr}


DECAY = "weight_decay"
HEALTHY: dict[str, Document] = {
    "digits, cnn": on("digits", "cnn"),
    "digits, cnn, norm and cosine": on(
        "digits", "cnn", norm="batch_norm", schedule="cosine", regularizer=DECAY, epochs=30, early_stopping="none"
    ),
    "digits, mlp": on("digits", mlp(128, 128)),
    "digits, mlp, norm and dropout": on(
        "digits", mlp(128, 128), norm="batch_norm", dropout={"type": "dropout", "rate": 0.3, "placement": "classifier"}
    ),
    "digits, mlp, sgd": on("digits", mlp(128), optimizer=sgd(0.1), epochs=100),
    "iris": on("iris", mlp(16), optimizer=adam(0.01), epochs=200, early_stopping=30, regularizer=DECAY),
    "wine": on("wine", mlp(32), optimizer=adam(0.003), epochs=150, early_stopping=20, regularizer=DECAY),
    "breast_cancer": on("breast_cancer", mlp(32), optimizer=adam(0.003), epochs=100, early_stopping=15,
                        regularizer=DECAY),
    "diabetes": on("diabetes", "linear", optimizer=adam(0.01), epochs=200, early_stopping=20),
    "digits_sequence, gru": on("digits_sequence", {"type": "rnn", "cell": "gru"}, optimizer=adam(0.003)),
    "spiral": on("spiral", mlp(32, 32), optimizer=adam(0.01), epochs=300, early_stopping=50),
}  # fmt: skip

SIGMOIDS = mlp(*(32,) * 8, activation="sigmoid")
FEW_ROWS = {"id": "digits", "validation_fraction": 0.9}
BAD: dict[str, tuple[Document, ...]] = {
    "learned_nothing": (
        on("digits", "mlp", optimizer=adam(3)),
        on("digits", mlp(64), optimizer=adam(1e-7), epochs=20),
        on("iris", mlp(16), optimizer=adam(1e-6)),
        on("diabetes", mlp(16), optimizer=adam(1e-7)),
    ),
    "non_finite": (on("diabetes", mlp(64, 64), optimizer=sgd(100)),),
    "diverged": (on("digits", mlp(64, 64), optimizer=sgd(30)),),
    "variance_shift": (
        on("digits", "cnn", norm="batch_norm", dropout=0.4, epochs=20),
        on("digits", mlp(32, 32, 32, 32), norm="batch_norm", dropout=0.7),
    ),
    "vanishing_gradients": (on("digits", SIGMOIDS),),
    "exploding_gradients": (on("digits", mlp(*(64,) * 40), norm="batch_norm", optimizer=sgd(1e-4), epochs=2),),
    "saturated_units": (on("digits", mlp(64, 64, activation="tanh"), optimizer=adam(0.3)),),
    "dead_units": (on("digits", mlp(64), optimizer=adam(3)),),
    "classes_never_predicted": (on("digits", mlp(1), epochs=20), on("digits", mlp(64), optimizer=sgd(1e-3), epochs=2)),
    "best_is_first_epoch": (
        on(
            "digits",
            mlp(64),
            optimizer=adam(0.3),
            schedule={"type": "constant", "warmup_epochs": 5},
            batch_size=8,
            epochs=5,
        ),
    ),
    "diverged_and_recovered": (on("digits", "linear", optimizer=adam(3), schedule="cosine", epochs=15),),
    "overfits": (
        on(FEW_ROWS, mlp(256, 256), epochs=100),
        on("breast_cancer", mlp(256, 256), epochs=200, early_stopping="none"),
        on("diabetes", mlp(256, 256), epochs=200, early_stopping="none"),
    ),
    "stopped_too_early": (
        on("digits", mlp(128, 128), dropout=0.5, optimizer=adam(0.003), early_stopping=1, batch_size=16),
        on("digits", "cnn", dropout=0.5, early_stopping=2, batch_size=16, optimizer=adam(0.003)),
    ),
    "still_improving": (
        on("digits", "cnn", epochs=3),
        on("digits", mlp(64), optimizer=adam(1e-4), epochs=20),
        on("iris", mlp(16), epochs=50),
        on("wine", mlp(32), epochs=10),
        on("diabetes", "linear", epochs=20),
        on("digits", mlp(64), epochs=1),
    ),
    "best_is_noise": (on({"id": "iris", "validation_fraction": 0.05}, mlp(16), optimizer=adam(0.01), epochs=100),),
}
"""Recipes by the verdict that they should get."""


class Judged(NamedTuple):
    """A recipe, the verdict that it should get, and the codes that it got with each seed."""

    name: str
    expected: str
    found: list[tuple[str, ...]]


def judge(name: str, expected: str, recipe: Document, seeds: int) -> Judged:
    """Trains a recipe with each seed."""
    found = []
    for seed in range(seeds):
        verdicts = verdicts_of(*finished_training({**recipe, "seed": seed}))
        found.append(tuple(verdict.code for verdict in verdicts))
    return Judged(name, expected, found)


def judge_all(seeds: int) -> Iterable[Judged]:
    for name, recipe in HEALTHY.items():
        yield judge(name, LEARNED, recipe, seeds)
    for code, recipes in BAD.items():
        for recipe in recipes:
            yield judge(name_of(recipe), code, recipe, seeds // 2)


def name_of(recipe: Document) -> str:
    """Writes a recipe in a line."""
    return " ".join(f"{name}={value}" for name, value in recipe.items()).replace("'", "").replace("|", "/")


def recipe_row(judged: Judged) -> str:
    """Returns a line with the share of seeds that got the expected verdict, and the verdicts that came first."""
    is_healthy = judged.expected == LEARNED
    right = sum(codes == (LEARNED,) if is_healthy else judged.expected in codes for codes in judged.found)
    firsts = Counter(codes[0] if codes else "none" for codes in judged.found).most_common()
    others = ", ".join(f"{code} {count}" for code, count in firsts)
    return f"| {judged.expected} | {judged.name} | {right} of {len(judged.found)} | {others} |"


def rule_rows(results: list[Judged]) -> Iterable[str]:
    """Yields, for each rule, how often it spoke of a healthy run, and of how many runs it should have spoken."""
    healthy = [codes for judged in results if judged.expected == LEARNED for codes in judged.found]
    for rule in RULES:
        due = [codes for judged in results if judged.expected == rule.code for codes in judged.found]
        if rule.code != LEARNED:
            found = f"{sum(rule.code in codes for codes in due)} of {len(due)}" if due else ""
            yield f"| {rule.code} | {sum(rule.code in codes for codes in healthy)} of {len(healthy)} | {found} |"


def main(seeds: int) -> None:
    """Prints both tables, the first one as it is measured."""
    torch.set_num_threads(1)
    print("| verdict due | recipe | given | first verdict |\n|---|---|---|---|")
    results = []
    for judged in judge_all(seeds):
        print(recipe_row(judged), flush=True)
        results.append(judged)
    print("\n| rule | spoke of a healthy run | of the runs that it is about |\n|---|---|---|")
    print(*rule_rows(results), sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
