"""Runs as rows of a list."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.recipe.read import read_recipe
from bakehouse.runs import brief_rows, wire
from bakehouse.runs.brief import BriefGap, BriefPage, BriefRun
from bakehouse.runs.brief_rows import MAX_BYTES, brief_json, cut, of_recipe
from bakehouse.runs.curve import Curve
from bakehouse.runs.record import Record
from bakehouse.runs.run import Best, Progress, QueuePlace
from bakehouse.runs.shown import ShownPage, shown_run
from bakehouse.runs.transitions import submit
from bakehouse.verdict.verdict import Verdict
from tests.runs.examples import a_run

METRICS: dict[str, float | None] = {"train_loss": -1.23456e-300, "validation_loss": 9.87654321e-300}
LABELS = {f"label{number}": "x" for number in range(32)}
USUAL_RECIPE = {
    "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5, "regularizer": [{"type": "l2"}], "seed": 3
}  # fmt: skip
LONG_RECIPE = {
    **USUAL_RECIPE, "architecture": {"type": "wide_resnet", "depth": 22, "width": 9, "activation": "leaky_relu"},
    "epochs": 100_000, "batch_size": 65_536, "optimizer": {"type": "rmsprop", "lr": 0.123456, "centered": True},
    "early_stopping": {"type": "patience", "patience": 100_000, "min_epochs": 100_000},
    "objective": "binary_cross_entropy",
}  # fmt: skip


def row_of(record: Record, place: QueuePlace | None = None) -> bytes:
    """The row of a record, whose fields are joined from Redis."""
    shown = shown_run(wire.encode(None, record), place)
    return brief_json(shown.members, shown.curve)


def a_row(place: QueuePlace | None = None, **changes: Any) -> BriefRun:
    record = submit(a_run(labels={"study": "norm"}), idempotency=None, now=0)[0].model_copy(update=changes)
    return BriefRun.model_validate_json(row_of(record, place))


def test_a_row_has_the_fields_of_the_run() -> None:
    best = Best(epoch=2, monitor="validation_loss", value=0.123456789, metrics={"validation_loss": 0.123456789})
    row = a_row(name="plain", best=best, seconds=1.54)
    assert (row.name, row.status, row.reason, row.dataset, row.architecture, row.loss) == (
        "plain", "queued", "submitted", "digits", "mlp", None,
    )  # fmt: skip
    assert row.best is not None
    assert (row.best.epoch, row.best.monitor, row.best.value) == (2, "validation_loss", 0.123457)
    assert (row.progress.epoch, row.progress.epochs, row.seconds, row.labels) == (0, 8, 1.5, 1)
    assert row.ingredients == ("epochs 8",)


def test_a_row_of_a_queued_run_has_its_place() -> None:
    assert a_row(QueuePlace(position=3, reason="waits")).queue == 3
    assert a_row().queue is None


@pytest.mark.parametrize(
    ("metrics", "gap"),
    [
        (
            {"train_accuracy": 0.99, "validation_accuracy": 0.9, "train_loss": 0.1, "validation_loss": 0.3},
            BriefGap(metric="accuracy", value=0.09),
        ),
        ({"train_loss": 0.1, "validation_loss": 0.3}, BriefGap(metric="loss", value=0.2)),
        ({"train_loss": None, "validation_loss": 0.3}, None),
    ],
)
def test_the_gap_is_positive_where_validation_is_worse(metrics: dict[str, float | None], gap: BriefGap | None) -> None:
    assert a_row(best=Best(epoch=1, monitor="validation_loss", value=0.3, metrics=metrics)).gap == gap


@pytest.mark.parametrize(
    ("since_best", "seconds"), [(0, 40.0), (2, 20.0), (4, 0.0), (None, None)], ids=["best", "two", "due", "unknown"]
)
def test_a_running_row_says_when_early_stopping_ends_the_run(since_best: int | None, seconds: float | None) -> None:
    progress = Progress(epoch=2, epochs=8, steps=80, eta_seconds=60.0, epochs_since_best=since_best, patience=4)
    row = a_row(status="running", progress=progress)
    assert (row.eta_seconds, row.stops_in_seconds) == (60.0, seconds)
    assert a_row(status="succeeded", progress=progress).eta_seconds is None


def test_early_stopping_comes_no_later_than_the_last_epoch() -> None:
    progress = Progress(epoch=6, epochs=8, steps=80, eta_seconds=20.0, epochs_since_best=0, patience=10)
    assert a_row(status="running", progress=progress).stops_in_seconds == 20.0


def test_a_row_has_the_verdict_and_the_curve() -> None:
    verdict = Verdict(code="overfits", severity="warning", message="?", source="?")
    row = a_row(verdict=verdict, curve=Curve(values=(1.0, None, 0.5)))
    assert (row.verdict, row.sparkline) == ("overfits", (99, None, 0))
    assert a_row().sparkline is None


texts = st.sampled_from(["a", "é", "😀", '"', "\x01"]).map(lambda character: character * 300)


@given(texts, texts, texts)
def test_the_longest_row_has_600_bytes(name: str, dataset: str, monitor: str) -> None:
    best = Best(epoch=10**6, monitor=monitor, value=-1.2345678901234567e-300, metrics=METRICS)
    record = submit(a_run(dataset=dataset[:64], labels=LABELS), idempotency=None, now=0)[0].model_copy(
        update={
            "name": name[:200],
            "status": "running",
            "request": "cancel",
            "reason": "storage_unavailable",
            "recipe": read_recipe({**LONG_RECIPE, "dataset": dataset[:64]}),
            "best": best,
            "progress": Progress(
                epoch=10**5 - 9, epochs=10**5, steps=1, eta_seconds=12345678.9, patience=10**5, epochs_since_best=0
            ),
            "verdict": Verdict(code="storage_unavailable", severity="error", message="?", source="?"),
            "curve": Curve(values=(0.0, 1.0, *[None] * 22)),
            "seconds": 1234567.1234567891,
        }
    )
    row = row_of(record, QueuePlace(position=10**6, reason="?"))
    assert len(row) <= MAX_BYTES, row
    assert json.loads(BriefRun.model_validate_json(row).model_dump_json()) == json.loads(row)


def test_a_usual_row_is_whole() -> None:
    best = Best(epoch=12, monitor="validation_loss", value=0.04191234, metrics=METRICS)
    recipe = read_recipe({**USUAL_RECIPE, "dataset": "breast_cancer"})
    curve = Curve(values=tuple(float(1 / (1 + epoch)) for epoch in range(48)))
    row = a_row(
        name="norm-and-dropout-seed-3", status="succeeded", reason="early_stopped", best=best, recipe=recipe,
        curve=curve, progress=Progress(epoch=18, epochs=40, steps=1), seconds=123.45,
        verdict=Verdict(code="overfits", severity="warning", message="?", source="?"),
    )  # fmt: skip
    assert row.name == "norm-and-dropout-seed-3"
    assert row.ingredients == ("batch_norm", "dropout 0.5", "l2 0.0001", "seed 3")


def test_of_too_many_ingredients_the_first_and_the_seed_are_kept() -> None:
    many = [{"type": "input_noise", "std": 1.2345 + number} for number in range(16)]
    recipe = {**USUAL_RECIPE, "dataset": "digits", "augmentation": many}

    def ingredients_of(seed: int) -> tuple[str, ...]:
        return a_row(recipe=read_recipe({**recipe, "seed": seed})).ingredients

    assert (ingredients_of(3)[0], *ingredients_of(3)[-2:]) == ("batch_norm", "…", "seed 3")
    assert (ingredients_of(0)[0], ingredients_of(0)[-1]) == ("batch_norm", "…")


def test_little_is_kept_of_the_recipes_that_were_listed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief_rows, "KNOWN_RECIPES", 3)
    brief_rows.known_recipes.clear()
    recipe = json.loads(wire.encode(None, submit(a_run(), idempotency=None, now=0)[0])["recipe"])
    long = [{"type": "gaussian_noise", "std": index / 1e4} for index in range(1000)]
    for seed in range(1, 6):
        kept = of_recipe(json.dumps({**recipe, "augmentation": long, "seed": seed}))
        assert kept.tokens[-1] == f"seed {seed}"
        assert len(kept.tokens) < MAX_BYTES
    assert [recipe.tokens[-1] for recipe in brief_rows.known_recipes.values()] == ["seed 3", "seed 4", "seed 5"]
    of_recipe(json.dumps({**recipe, "augmentation": long, "seed": 4}))
    assert [recipe.tokens[-1] for recipe in brief_rows.known_recipes.values()][-2:] == ["seed 5", "seed 4"]


def test_only_what_is_too_long_is_cut() -> None:
    assert cut("abc", 5) == "abc"
    assert cut("abcdef", 7) == "ab…"
    assert cut("ééé", 8) == "ééé"


def test_a_page_of_rows_is_the_json_of_its_model() -> None:
    shown = [shown_run(wire.encode(None, submit(a_run(), idempotency=None, now=0)[0]), None) for _ in range(3)]
    for runs in ([], shown):
        page = BriefPage.model_validate_json(ShownPage(runs, has_more=True).brief_json)
        assert [run.id for run in page.data] == [run.id for run in runs]
        assert (page.has_more, page.first_id) == (True, runs[0].id if runs else None)
