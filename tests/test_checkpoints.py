"""Checkpoints that a recipe builds on: found, pinned and planned, or refused where they are named."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.plan.plan import make_plan
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Checkpoint
from bakehouse.settings import Settings

RUN, OTHER = "run_aaaaaaaaaaaa", "run_bbbbbbbbbbbb"
BEST, LAST, GONE = "b" * 64, "c" * 64, "d" * 64
SOURCE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [8]}, "epochs": 9}
LIMITS = Limits(parameters=10**6)


def saved(epoch: int, sha256: str, *roles: Any, fingerprint: str | None = None) -> Checkpoint:
    return Checkpoint(epoch=epoch, roles=roles, metrics={}, sha256=sha256, bytes=9, dataset_fingerprint=fingerprint)


@dataclass
class Run:
    """A run's record."""

    recipe: Recipe
    status: str = "succeeded"
    is_over: bool = True
    checkpoints: tuple[Checkpoint, ...] = (saved(2, GONE), saved(5, BEST, "best"), saved(9, LAST, "last"))


@dataclass
class Runs:
    """Those of a test."""

    runs: dict[str, Run]
    where: str = "on the shelf"
    asked: list[str] = field(default_factory=list)

    def find(self, run_id: str) -> Run | None:
        self.asked.append(run_id)
        return self.runs.get(run_id)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(Settings(home=tmp_path))


def source(catalog: Catalog, document: dict[str, Any] = SOURCE, **fields: Any) -> Run:
    recipe = read_recipe(document)
    return Run(make_plan(recipe, catalog.card(recipe.dataset.id)).recipe, **fields)


def prepared(catalog: Catalog, checkpoint: object, run: Run) -> Prepared:
    document = {**SOURCE, "pretraining": {"type": "transfer", "checkpoint": checkpoint}}
    return prepare(document, catalog, LIMITS, saved=Runs({RUN: run}))


def refusal(catalog: Catalog, checkpoint: object, run: Run) -> Problem:
    with pytest.raises(RecipeInvalid) as refused:
        prepared(catalog, checkpoint, run)
    [problem] = refused.value.problems
    return problem


@pytest.mark.parametrize(
    ("checkpoint", "epoch", "sha256"),
    [
        (RUN, 5, BEST),
        ({"run": RUN}, 5, BEST),
        ({"run": RUN, "epoch": 9}, 9, LAST),
        ({"run": RUN, "sha256": LAST}, 9, LAST),
        ({"run": RUN, "epoch": 5, "sha256": BEST}, 5, BEST),
    ],
)
def test_a_checkpoint_is_pinned_and_its_run_planned(
    catalog: Catalog, checkpoint: object, epoch: int, sha256: str
) -> None:
    run = source(catalog)
    plan = prepared(catalog, checkpoint, run).plan
    named = {"run": RUN, "epoch": epoch, "sha256": sha256}
    assert plan.recipe.canonical()["pretraining"]["checkpoint"] == named
    assert plan.checkpoints.keys() == {sha256}
    assert plan.checkpoints[sha256].recipe == run.recipe
    again = prepare(plan.recipe.canonical(), catalog, LIMITS, saved=Runs({RUN: run})).plan.recipe
    assert again.sha256() == plan.recipe.sha256()


def test_a_run_that_failed_or_was_cancelled_has_its_best_too(catalog: Catalog) -> None:
    for status in ("failed", "cancelled"):
        prepared(catalog, RUN, source(catalog, status=status, checkpoints=(saved(5, BEST, "best"),)))


@dataclass(frozen=True)
class Case:
    """How a checkpoint is named, and what is said of it."""

    checkpoint: object
    pointer: str
    code: str
    says: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    run: dict[str, Any] = field(default_factory=dict)


WHERE = "/pretraining/checkpoint"
CASES = [
    Case(OTHER, WHERE, "unknown_run", (OTHER, "on the shelf")),
    Case({"run": OTHER}, f"{WHERE}/run", "unknown_run"),
    Case(RUN, WHERE, "run_not_over", ("running", "wait"), None, {"status": "running", "is_over": False}),
    Case(RUN, WHERE, "no_checkpoint", ("failed",), None, {"status": "failed", "checkpoints": ()}),
    Case(RUN, WHERE, "no_checkpoint", (), None, {"checkpoints": (saved(2, GONE),)}),
    # Replaced: its file will go.
    Case({"run": RUN, "epoch": 2}, f"{WHERE}/epoch", "unknown_epoch", ("keeps no", "epoch 2"), ("5", "9")),
    Case({"run": RUN, "sha256": GONE}, f"{WHERE}/sha256", "unknown_digest", (), (BEST, LAST)),
    Case({"run": RUN, "epoch": 5, "sha256": LAST}, f"{WHERE}/sha256", "unknown_digest", ("epoch 5",), (BEST,)),
    Case(RUN, WHERE, "source_dataset", ("iris has changed",), None,
         {"checkpoints": (saved(5, BEST, "best", fingerprint="sha256:0"),)}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.pointer}")
def test_what_cannot_be_built_on_is_refused_where_it_is_named(catalog: Catalog, case: Case) -> None:
    problem = refusal(catalog, case.checkpoint, source(catalog, **case.run))
    assert (problem.pointer, problem.code, problem.allowed) == (case.pointer, case.code, case.allowed)
    for words in case.says:
        assert words in problem.message


def test_a_run_whose_data_set_is_gone(catalog: Catalog) -> None:
    run = source(catalog)
    dataset = run.recipe.dataset.model_copy(update={"id": "mine"})
    run.recipe = run.recipe.model_copy(update={"dataset": dataset})
    problem = refusal(catalog, RUN, run)
    assert (problem.pointer, problem.code) == (WHERE, "source_dataset")
    assert "there is no data set mine" in problem.message


def test_a_run_that_cannot_be_planned_any_more(catalog: Catalog) -> None:
    run = source(catalog)
    run.recipe = run.recipe.model_copy(update={"dataset": run.recipe.dataset.model_copy(update={"target": "petal"})})
    problem = refusal(catalog, RUN, run)
    assert (problem.pointer, problem.code) == (WHERE, "source_recipe")


def test_every_checkpoint_is_looked_up_and_every_problem_told(catalog: Catalog) -> None:
    document = {
        **SOURCE,
        "pretraining": {"type": "transfer", "checkpoint": OTHER},
        "objective": {"distillation": {"teacher": {"run": RUN, "epoch": 1}}},
    }
    with pytest.raises(RecipeInvalid) as refused:
        prepare(document, catalog, LIMITS, saved=Runs({RUN: source(catalog)}))
    assert {problem.pointer for problem in refused.value.problems} == {
        "/pretraining/checkpoint",
        "/objective/distillation/teacher/epoch",
    }


def test_without_runs_none_is_found(catalog: Catalog) -> None:
    with pytest.raises(RecipeInvalid, match=f"there is no run {RUN} here"):
        prepare({**SOURCE, "pretraining": {"type": "transfer", "checkpoint": RUN}}, catalog, LIMITS)
