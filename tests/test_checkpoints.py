"""Checkpoints that a recipe builds on are found, pinned and planned, or refused with a pointer."""

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


def saved_at(epoch: int, sha256: str, *roles: Any, fingerprint: str | None = None) -> Checkpoint:
    return Checkpoint(epoch=epoch, roles=roles, metrics={}, sha256=sha256, bytes=9, dataset_fingerprint=fingerprint)


CHECKPOINTS = (saved_at(2, GONE), saved_at(5, BEST, "best"), saved_at(9, LAST, "last"))


@dataclass
class Run:
    """A run's record."""

    recipe: Recipe
    status: str = "succeeded"
    is_over: bool = True
    checkpoints: tuple[Checkpoint, ...] = CHECKPOINTS


@dataclass
class Runs:
    """Runs in memory, and the ids that were looked up."""

    runs: dict[str, Run]
    location: str = "on the shelf"
    asked: list[str] = field(default_factory=list)

    def find(self, run_id: str) -> Run | None:
        self.asked.append(run_id)
        return self.runs.get(run_id)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(Settings(home=tmp_path))


def make_source(catalog: Catalog, document: dict[str, Any] = SOURCE, **fields: Any) -> Run:
    recipe = read_recipe(document)
    return Run(make_plan(recipe, catalog.card(recipe.dataset.id)).recipe, **fields)


def prepare_transfer(catalog: Catalog, checkpoint: object, run: Run) -> Prepared:
    document = {**SOURCE, "pretraining": {"type": "transfer", "checkpoint": checkpoint}}
    return prepare(document, catalog, LIMITS, runs=Runs({RUN: run}))


def refusal(catalog: Catalog, checkpoint: object, run: Run) -> Problem:
    with pytest.raises(RecipeInvalid) as refused:
        prepare_transfer(catalog, checkpoint, run)
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
    run = make_source(catalog)
    plan = prepare_transfer(catalog, checkpoint, run).plan
    named = {"run": RUN, "epoch": epoch, "sha256": sha256}
    assert plan.recipe.canonical()["pretraining"]["checkpoint"] == named
    assert plan.checkpoints.keys() == {sha256}
    assert plan.checkpoints[sha256].recipe == run.recipe
    again = prepare(plan.recipe.canonical(), catalog, LIMITS, runs=Runs({RUN: run})).plan.recipe
    assert again.sha256() == plan.recipe.sha256()


def test_a_run_that_failed_or_was_cancelled_has_its_best_too(catalog: Catalog) -> None:
    for status in ("failed", "cancelled"):
        prepare_transfer(catalog, RUN, make_source(catalog, status=status, checkpoints=(saved_at(5, BEST, "best"),)))


@dataclass(frozen=True)
class Case:
    """A reference to a checkpoint, and the problem that it has."""

    checkpoint: object
    pointer: str
    code: str
    words: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    run: dict[str, Any] = field(default_factory=dict)


WHERE = "/pretraining/checkpoint"
CASES = [
    Case(OTHER, WHERE, "unknown_run", (OTHER, "on the shelf")),
    Case({"run": OTHER}, f"{WHERE}/run", "unknown_run"),
    Case(RUN, WHERE, "run_not_over", ("running", "run has ended"), None, {"status": "running", "is_over": False}),
    Case(RUN, WHERE, "no_checkpoint", ("failed",), None, {"status": "failed", "checkpoints": ()}),
    Case(RUN, WHERE, "no_checkpoint", (), None, {"checkpoints": (saved_at(2, GONE),)}),
    # This checkpoint was replaced, so its file will be removed.
    Case({"run": RUN, "epoch": 2}, f"{WHERE}/epoch", "unknown_epoch", ("has no checkpoint of epoch 2",), ("5", "9")),
    Case({"run": RUN, "sha256": GONE}, f"{WHERE}/sha256", "unknown_digest", (), (BEST, LAST)),
    Case({"run": RUN, "epoch": 5, "sha256": LAST}, f"{WHERE}/sha256", "unknown_digest", ("epoch 5",), (BEST,)),
    Case(RUN, WHERE, "source_dataset", ("iris has changed",), None,
         {"checkpoints": (saved_at(5, BEST, "best", fingerprint="sha256:0"),)}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.pointer}")
def test_an_unusable_checkpoint_is_refused_where_it_is_named(catalog: Catalog, case: Case) -> None:
    problem = refusal(catalog, case.checkpoint, make_source(catalog, **case.run))
    assert (problem.pointer, problem.code, problem.allowed) == (case.pointer, case.code, case.allowed)
    for word in case.words:
        assert word in problem.message


def test_a_run_whose_data_set_is_gone_is_refused(catalog: Catalog) -> None:
    run = make_source(catalog)
    dataset = run.recipe.dataset.model_copy(update={"id": "mine"})
    run.recipe = run.recipe.model_copy(update={"dataset": dataset})
    problem = refusal(catalog, RUN, run)
    assert (problem.pointer, problem.code) == (WHERE, "source_dataset")
    assert "there is no data set mine" in problem.message


def test_a_run_whose_recipe_is_no_longer_valid_is_refused(catalog: Catalog) -> None:
    run = make_source(catalog)
    run.recipe = run.recipe.model_copy(update={"dataset": run.recipe.dataset.model_copy(update={"target": "petal"})})
    problem = refusal(catalog, RUN, run)
    assert (problem.pointer, problem.code) == (WHERE, "source_recipe")


def test_every_checkpoint_is_looked_up_and_every_problem_reported(catalog: Catalog) -> None:
    document = {
        **SOURCE,
        "pretraining": {"type": "transfer", "checkpoint": OTHER},
        "objective": {"distillation": {"teacher": {"run": RUN, "epoch": 1}}},
    }
    with pytest.raises(RecipeInvalid) as refused:
        prepare(document, catalog, LIMITS, runs=Runs({RUN: make_source(catalog)}))
    assert {problem.pointer for problem in refused.value.problems} == {
        "/pretraining/checkpoint",
        "/objective/distillation/teacher/epoch",
    }


def test_without_runs_none_is_found(catalog: Catalog) -> None:
    with pytest.raises(RecipeInvalid, match=f"there is no run {RUN} here"):
        prepare({**SOURCE, "pretraining": {"type": "transfer", "checkpoint": RUN}}, catalog, LIMITS)
