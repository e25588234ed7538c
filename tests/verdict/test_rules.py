"""Every rule fires on one outcome, is silent on a near one, and its patch is accepted."""

import re
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rules import RULES, judge
from bakehouse.verdict.verdict import Verdict
from tests.plan.cards import SAVED, Document, planned, table_card
from tests.strategies import plans

COUNTED = table_card().model_copy(update={"class_counts": (400, 500, 500, 600, 500, 500, 500, 500, 500, 500)})
FEW = table_card(rows=150, classes=3)
NUMBERS = table_card(classes=None)
FEW_NUMBERS = table_card(classes=None, rows=150)


def epochs(**series: list[float]) -> dict[int, dict[str, float]]:
    """The metrics of each epoch, from a list for each metric."""
    names = [{"train": "train_loss", "loss": "validation_loss", "accuracy": "validation_accuracy",
              "trained": "train_accuracy", "r2": "validation_r2"}[name] for name in series]  # fmt: skip
    rows = zip(*series.values(), strict=True)
    return {epoch: dict(zip(names, row, strict=True)) for epoch, row in enumerate(rows, start=1)}


def trained(losses: list[float]) -> dict[int, dict[str, float]]:
    """The metrics of epochs whose losses in training are those in validation."""
    return epochs(train=losses, loss=losses)


def outcome_of(document: Document, card: DatasetCard, **fields: Any) -> Outcome:
    """An outcome whose best epoch is that of the lowest validation loss."""
    found: dict[int, dict[str, float]] = fields.get("epochs", {})
    losses = {epoch: metrics["validation_loss"] for epoch, metrics in found.items()}
    best = min(losses, key=lambda epoch: losses[epoch]) if losses else 0
    plan = planned(document, card)
    return Outcome(**{"plan": plan, "reason": "epochs_done", "best_epoch": best, **fields})


@dataclass(frozen=True)
class Case:
    """An outcome for which a rule fires, and a near one for which it does not."""

    code: str
    fires: dict[str, Any]
    near_miss: dict[str, Any]
    says: tuple[str, ...] = ()
    patch: dict[str, Any] | None = None
    """The changed field and its new value; None if the rule has no patch here."""
    recipe: Document = field(default_factory=dict)
    near_recipe: Document | None = None
    card: DatasetCard = COUNTED


CHANCE = epochs(train=[222.7, 220.0], loss=[230.0, 222.7], accuracy=[0.1, 0.101], trained=[0.1, 0.1])
HEALTHY = epochs(train=[1.0, 0.5, 0.4, 0.38], loss=[1.0, 0.5, 0.45, 0.46], accuracy=[0.7, 0.85, 0.86, 0.86],
                 trained=[0.7, 0.85, 0.87, 0.88])  # fmt: skip
SLOWLY = [0.8, 0.74, 0.71, 0.68, 0.62, 0.6]
HIGH: Document = {"optimizer": {"type": "adam", "lr": 3}}
FEW_VALIDATION: Document = {"dataset": {"id": "rows", "validation_fraction": 0.1}}
FORKED: Document = {"pretraining": {"type": "transfer", "checkpoint": SAVED}}
SIGMOIDS: Document = {"architecture": {"type": "mlp", "hidden": [16] * 8, "activation": "sigmoid"}}
OVERFITTED = epochs(train=[1.0, 0.1], loss=[1.0, 0.9], accuracy=[0.6, 0.7], trained=[0.6, 0.99])
GUESSING = epochs(train=[2.31, 2.3], loss=[2.31, 2.302], accuracy=[0.1, 0.1], trained=[0.1, 0.1])
SHIFTED: Document = {"norm": "batch_norm", "dropout": 0.5}


def diagnostic(name: str, **values: object) -> dict[str, Any]:
    return {"epochs": HEALTHY, "diagnostics": {name: values}}


def sparse(dead: float) -> dict[str, Any]:
    return diagnostic("sparsity", zero_weights_in_all=0.0, activations=["hidden1.activation"], dead_units=[dead])


def first_gradients(ratio: float) -> dict[str, Any]:
    return {"layers": ["hidden1", "head"], "norms": [ratio, 1.0], "first_to_last": ratio}


def gradients(ratio: float) -> dict[str, Any]:
    return diagnostic("gradient_norms", layers=["hidden1", "head"], norms=[ratio, 1.0], first_to_last=ratio)


CASES = [
    Case(
        "learned_nothing",
        {"epochs": CHANCE, "test": {"test_accuracy": 0.101}},
        {"epochs": CHANCE, "test": {"test_accuracy": 0.2}},
        recipe=HIGH,
        patch={"/optimizer/lr": 0.001},
        says=("always answering 3", "12.0%", "10.1% of 1,800 rows", "222.7 is above ln 10 = 2.3", "optimizer.lr 0.001"),
    ),
    Case(
        "learned_nothing",
        {"epochs": GUESSING},
        {"epochs": epochs(train=[0.1], loss=[2.3], accuracy=[0.1], trained=[1.0])},
        recipe=SIGMOIDS,
        patch={"/architecture/activation": "relu"},
        says=("judged by the plan", "8 layers of sigmoid", "relu"),
    ),
    Case(
        "learned_nothing",
        {"epochs": GUESSING, "first_gradients": first_gradients(1e-5)},
        {"epochs": HEALTHY, "first_gradients": first_gradients(1e-5)},
        recipe=SIGMOIDS,
        patch={"/architecture/activation": "relu"},
        says=("after the first epoch, the gradient of hidden1 is 1e-05 times", "relu"),
    ),
    Case(
        "learned_nothing",
        {"epochs": GUESSING, "first_gradients": first_gradients(0.5)},
        {"epochs": HEALTHY},
        recipe={**SIGMOIDS, "epochs": 2},
        patch={"/epochs": 10},
    ),
    Case(
        "learned_nothing",
        {"epochs": epochs(train=[2.2, 2.199], loss=[2.2, 2.2], accuracy=[0.3, 0.3], trained=[0.3, 0.3])},
        {"epochs": epochs(train=[2.2, 2.0], loss=[2.2, 2.2], accuracy=[0.3, 0.3], trained=[0.3, 0.3])},
        recipe={"optimizer": {"type": "adam", "lr": 1e-7}},
        patch={"/optimizer/lr": 0.001},
        says=("the training loss has not fallen",),
    ),
    Case(
        "learned_nothing",
        {"epochs": epochs(train=[9.0, 8.99], loss=[9.1, 9.1], r2=[0.1, 0.1])},
        {"epochs": epochs(train=[9.0, 8.0], loss=[9.1, 9.1], r2=[0.1, 0.1])},
        card=NUMBERS,
        recipe={"optimizer": {"type": "adam", "lr": 1e-7}},
        patch={"/optimizer/lr": 0.001},
        says=("has not fallen", "0.1"),
    ),
    Case(
        "learned_nothing",
        {"epochs": GUESSING},
        {"epochs": HEALTHY},
        recipe={"optimizer": {"type": "adam", "lr": 1e-6}},
        patch={"/optimizer/lr": 0.001},
        says=("the default",),
    ),
    Case(
        "learned_nothing",
        {"epochs": GUESSING},
        {"epochs": HEALTHY},
        recipe={"epochs": 2},
        patch={"/epochs": 10},
        says=("100 steps",),
    ),
    Case(
        "learned_nothing",
        {"epochs": dict.fromkeys(range(1, 51), GUESSING[1])},
        {"epochs": HEALTHY},
        says=("inputs say something",),
    ),
    Case(
        "learned_nothing",
        {"epochs": epochs(train=[9.0], loss=[9.1], r2=[-0.01])},
        {"epochs": epochs(train=[9.0], loss=[9.1], r2=[0.3])},
        card=NUMBERS,
        patch={"/epochs": 200},
        says=("the mean", "-0.01"),
    ),
    Case(
        "classes_never_predicted",
        {"epochs": HEALTHY, "never_predicted": (3, 7)},
        {"epochs": HEALTHY},
        says=("3 (12.0% of the rows), 7 (10.0%",),
    ),
    Case(
        "non_finite",
        {"diverged_at": 12},
        {"epochs": HEALTHY},
        recipe=HIGH,
        patch={"/optimizer/lr": 0.001},
        says=("step 12",),
    ),
    Case(
        "diverged",
        {"epochs": epochs(train=[1.0, 0.4, 90.0, 80.0], loss=[1.0, 0.5, 90.0, 80.0])},
        {"epochs": HEALTHY},
        patch={"/optimizer/lr": 0.0001},
        says=("90 at epoch 3", "80 at the end"),
    ),
    Case(
        "diverged_and_recovered",
        {"epochs": epochs(train=[50.0, 1.0, 0.4], loss=[2.0, 0.9, 0.5])},
        {"epochs": HEALTHY},
        patch={"/optimizer/lr": 0.0001},
        says=("50 at epoch 1", "0.4"),
    ),
    Case(
        "diverged_and_recovered",
        {"epochs": epochs(train=[9.0, 2.0, 40.0, 1.0], loss=[9.0, 3.0, 40.0, 2.0])},
        {"epochs": epochs(train=[9.0, 0.2, 1.0, 0.1], loss=[9.0, 3.0, 4.0, 2.0])},
        card=NUMBERS,
        patch={"/optimizer/lr": 0.0001},
        says=("40 at epoch 3",),
    ),
    Case(
        "overfits",
        {"epochs": epochs(train=[1.0, 0.1], loss=[1.0, 0.9], accuracy=[0.6, 0.7], trained=[0.6, 0.99])},
        {"epochs": HEALTHY},
        patch={"/regularizer/0/type": "weight_decay"},
        says=("99.0%", "70.0%"),
    ),
    Case(
        "overfits",
        diagnostic("clean_gap", train_clean_accuracy=0.98, gap=0.0),
        diagnostic("clean_gap", train_clean_accuracy=0.87, gap=0.0),
        patch={"/regularizer/0/type": "weight_decay"},
        says=("98.0% in a clean pass", "86.0%"),
    ),
    Case(
        "overfits",
        {"epochs": epochs(train=[1.0, 0.1], loss=[1.2, 0.9], r2=[0.2, 0.4])},
        {"epochs": epochs(train=[1.0, 0.5], loss=[1.2, 0.9], r2=[0.2, 0.4])},
        card=NUMBERS,
        recipe={"regularizer": "l2"},
        patch={"/dropout/0/placement": "classifier"},
        says=("0.1 on the training rows",),
    ),
    Case(
        "overfits",
        {
            "epochs": epochs(
                train=[1.0, 0.5, 0.4, 0.35, 0.3], loss=[1.2, 0.6, 0.7, 0.8, 0.9], accuracy=[0.5, 0.8, 0.8, 0.8, 0.8]
            )
        },
        {
            "epochs": epochs(
                train=[1.0, 0.5, 0.5, 0.55, 0.6], loss=[1.2, 0.6, 0.7, 0.8, 0.9], accuracy=[0.5, 0.8, 0.8, 0.8, 0.8]
            )
        },
        patch={"/regularizer/0/type": "weight_decay"},
        says=("since epoch 2", "from 0.6 to 0.9"),
    ),
    Case(
        "overfits",
        {"epochs": epochs(train=[1.0, 0.1, 0.1, 0.1, 0.05], loss=[1.0, 0.1, 0.1, 0.1, 0.2])},
        {"epochs": epochs(train=[1.0, 0.03, 0.03, 0.03, 0.02], loss=[1.0, 0.03, 0.03, 0.03, 0.045])},
        patch={"/regularizer/0/type": "weight_decay"},
    ),
    Case(
        "overfits",
        {"epochs": epochs(train=[1.0, 0.1, 0.1, 0.1, 0.05], loss=[1.0, 0.1, 0.1, 0.1, 0.16])},
        {"epochs": epochs(train=[1.0, 0.1, 0.1, 0.1, 0.05], loss=[1.0, 0.1, 0.1, 0.1, 0.14])},
        card=FEW,
        patch={"/regularizer/0/type": "weight_decay"},
    ),
    Case(
        "overfits",
        {"epochs": OVERFITTED},
        {
            **diagnostic(
                "variance_shift", layers=["hidden1.norm"], moving=[4.0], real=[1.0], ratio=[4.0], worst_ratio=4.0
            ),
            "epochs": OVERFITTED,
        },
        recipe=SHIFTED,
        patch={"/regularizer/0/type": "weight_decay"},
    ),
    Case(
        "best_is_first_epoch",
        {"epochs": epochs(train=[1.0, 1.1, 1.2], loss=[1.0, 1.1, 1.2])},
        {"epochs": epochs(train=[1.0, 1.1], loss=[1.0, 1.1])},
        patch={"/optimizer/lr": 0.0001},
        says=("was 1 then and 1.2",),
    ),
    Case(
        "best_is_first_epoch",
        {"epochs": epochs(train=[0.1, 0.1, 0.2], loss=[0.1, 0.2, 0.3])},
        {"epochs": epochs(train=[0.1, 0.1, 0.1], loss=[0.1, 0.102, 0.101])},
        recipe=FORKED,
        patch={"/optimizer/lr": 0.0001},
    ),
    Case(
        "stopped_too_early",
        {"epochs": trained([2.0, 0.5, *SLOWLY]), "reason": "early_stopped"},
        {"epochs": trained([2.0, 0.5, *reversed(SLOWLY)]), "reason": "early_stopped"},
        recipe={"early_stopping": 6},
        patch={"/early_stopping/patience": 20},
        says=("better by 0.24", "last 6 epochs", "none of them was better than epoch 2"),
    ),
    Case(
        "stopped_too_early",
        {"epochs": trained([2.0, 0.5, *SLOWLY]), "reason": "early_stopped"},
        {"epochs": trained([2.0, 0.5, 0.61, 0.6, 0.62, 0.59, 0.61, 0.6]), "reason": "early_stopped"},
        recipe={"early_stopping": 6},
        patch={"/early_stopping/patience": 20},
    ),
    Case(
        "stopped_too_early",
        {"epochs": epochs(train=[2.0, 1.0, 0.9, 0.8], loss=[2.0, 1.5, 1.55, 1.52]), "reason": "early_stopped"},
        {"epochs": epochs(train=[2.0, 1.0, 0.9, 0.8], loss=[1.6, 1.5, 1.7, 1.9]), "reason": "early_stopped"},
        recipe={"early_stopping": 2},
        patch={"/early_stopping/patience": 20},
        says=("varies by 0.04",),
    ),
    Case(
        "stopped_too_early",
        {"epochs": epochs(train=[2.0, 1.0, 0.9], loss=[2.0, 1.5, 1.52]), "reason": "early_stopped"},
        {"epochs": epochs(train=[2.0, 1.0, 0.9], loss=[2.0, 1.5, 1.52])},
        recipe={"early_stopping": "generalization_loss"},
        patch={"/early_stopping/patience": 20},
    ),
    Case(
        "stopped_too_early",
        {"epochs": epochs(train=[0.5, 0.4], loss=[0.5, 0.6], accuracy=[0.97, 0.965]), "reason": "early_stopped"},
        {"epochs": epochs(train=[0.5, 0.4], loss=[0.5, 0.6], accuracy=[0.97, 0.9]), "reason": "early_stopped"},
        recipe={"early_stopping": 1},
        patch={"/early_stopping/patience": 20},
        says=("after 1 epoch without", "96.5%", "800 rows cannot tell apart"),
    ),
    Case(
        "still_improving",
        {"epochs": epochs(train=[1.7], loss=[0.95])},
        {"epochs": epochs(train=[1.7], loss=[1.75])},
        recipe={"epochs": 1},
        patch={"/epochs": 2},
        says=("1.7, the mean over the only epoch, to 0.95",),
    ),
    Case(
        "still_improving",
        {"epochs": epochs(train=[1.0, 0.8, 0.7], loss=[1.0, 0.8, 0.7])},
        {"epochs": epochs(train=[1.0, 0.8, 0.79], loss=[1.0, 0.8, 0.795])},
        recipe={"epochs": 3},
        patch={"/epochs": 6},
        says=("from 0.8 at epoch 2 to 0.7 at epoch 3", "more epochs would help"),
    ),
    Case(
        "still_improving",
        {"epochs": epochs(train=[2.0, 0.5, 0.4], loss=[2.0, 0.5, 0.4], accuracy=[0.5, 0.99, 1.0])},
        {"epochs": epochs(train=[2.0, 0.5, 0.4], loss=[2.0, 0.5, 0.4], accuracy=[0.5, 1.0, 1.0])},
        recipe={"epochs": 3},
        patch={"/epochs": 6},
    ),
    Case(
        "still_improving",
        {"epochs": trained([2.0, 0.5, 0.4]), "reason": "epochs_done"},
        {"epochs": trained([2.0, 0.05, 0.03]), "reason": "epochs_done"},
        recipe={"epochs": 3},
        patch={"/epochs": 6},
    ),
    Case(
        "still_improving",
        {"epochs": epochs(train=[1.0, 0.8, 0.7], loss=[1.0, 0.8, 0.7]), "reason": "time_budget"},
        {"epochs": epochs(train=[1.0, 0.8, 0.7], loss=[1.0, 0.8, 0.7]), "reason": "stopped_by_user"},
        recipe={"time_budget_seconds": 5},
        patch={"/time_budget_seconds": 10.0},
    ),
    Case(
        "pruned",
        {"epochs": HEALTHY, "reason": "pruned"},
        {"epochs": HEALTHY, "reason": "stopped_by_user"},
        says=("was ended early, after", "better at the same epoch"),
    ),
    Case(
        "best_is_noise",
        {"epochs": epochs(train=[1.0, 0.9, 0.8], loss=[0.5, 0.4, 0.45], accuracy=[0.7, 0.8, 0.7])},
        {"epochs": epochs(train=[1.0, 0.9, 0.8], loss=[0.9, 0.4, 0.8], accuracy=[0.2, 0.8, 0.2])},
        card=FEW,
        recipe=FEW_VALIDATION,
        patch={"/dataset/validation_fraction": 0.2},
        says=("12 rows", "80.0%", "2 of 2"),
    ),
    Case(
        "best_is_noise",
        {"epochs": epochs(train=[1.0, 0.9, 0.8], loss=[0.5, 0.4, 0.45], accuracy=[0.7, 0.8, 0.7])},
        {"epochs": epochs(train=[1.0, 0.9, 0.8], loss=[0.5, 0.4, 0.45], accuracy=[0.95, 0.96, 0.95])},
        card=FEW,
        recipe=FEW_VALIDATION,
        near_recipe={},
        patch={"/dataset/validation_fraction": 0.2},
    ),
    Case(
        "best_is_noise",
        {"epochs": epochs(train=[1.0, 0.9, 0.8], loss=[0.5, 0.4, 0.45], r2=[0.2, 0.3, 0.25])},
        {"epochs": epochs(train=[1.0, 0.9, 0.8], loss=[5.0, 0.4, 4.5], r2=[0.2, 0.3, 0.25])},
        card=FEW_NUMBERS,
        patch={"/dataset/validation_fraction": 0.4},
        says=("24 rows", "57.7%"),
    ),
    Case(
        "saturated_units",
        diagnostic("saturation", layers=["hidden1.activation"], saturated=[0.6]),
        diagnostic("saturation", layers=["hidden1.activation"], saturated=[0.2]),
        recipe=SIGMOIDS,
        patch={"/architecture/activation": "relu"},
        says=("60.0%", "hidden1.activation"),
    ),
    Case("dead_units", sparse(0.9), sparse(0.5), patch={"/optimizer/lr": 0.0001}, says=("90.0%", "hidden1.activation")),
    Case(
        "vanishing_gradients",
        gradients(1e-5),
        gradients(0.5),
        recipe=SIGMOIDS,
        patch={"/architecture/activation": "relu"},
        says=("1e-05", "vanishes"),
    ),
    Case(
        "vanishing_gradients",
        {"epochs": HEALTHY, "first_gradients": first_gradients(1e-5)},
        {"epochs": {**HEALTHY, 1: {**HEALTHY[1], "train_loss": 222.7}}, "first_gradients": first_gradients(1e-5)},
        recipe=SIGMOIDS,
        patch={"/architecture/activation": "relu"},
        says=("after the first epoch",),
    ),
    Case(
        "exploding_gradients",
        gradients(1e3),
        gradients(0.5),
        patch={"/norm/type": "layer_norm"},
        says=("1e+03", "explodes"),
    ),
    Case(
        "variance_shift",
        diagnostic(
            "variance_shift",
            layers=["hidden1.norm", "hidden2.norm"],
            moving=[1.0, 2.0],
            real=[1.0, 1.0],
            ratio=[1.0, 2.0],
            worst_ratio=2.0,
        ),
        diagnostic(
            "variance_shift",
            layers=["hidden1.norm", "hidden2.norm"],
            moving=[1.0, 1.1],
            real=[1.0, 1.0],
            ratio=[1.0, 1.7],
            worst_ratio=1.7,
        ),
        recipe=SHIFTED,
        patch={"/dropout/0/placement": "classifier"},
        says=("hidden2.norm", "the dropout before hidden2.norm is /dropout/0", "1.75"),
    ),
    Case(
        "variance_shift",
        diagnostic("variance_shift", layers=["hidden1.norm"], moving=[1.0], real=[2.0], ratio=[2.0], worst_ratio=2.0),
        diagnostic("variance_shift", layers=["hidden1.norm"], moving=[1.0], real=[1.0], ratio=[1.0], worst_ratio=1.0),
        recipe={"norm": "batch_norm"},
        patch={"/evaluation/statistics": "population"},
    ),
    Case(
        "learned",
        {"epochs": HEALTHY, "test": {"test_loss": 0.4, "test_accuracy": 0.979}},
        {"epochs": GUESSING},
        says=("validation loss fell to 0.45 at epoch 3", "test accuracy 97.9%"),
    ),
    Case(
        "learned",
        {"epochs": epochs(train=[2.0], loss=[1.0], r2=[0.5]), "test": {"test_r2": 0.5}},
        {},
        card=NUMBERS,
        says=("validation loss was 1 at epoch 1", "test r2 0.5"),
    ),
]


def verdicts_on(case: Case, fields: dict[str, Any], recipe: Document) -> list[Verdict]:
    found = judge(outcome_of(recipe, case.card, **fields))
    return [verdict for verdict in found if verdict.code == case.code]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{CASES.index(case)}")
def test_a_rule_fires_with_the_runs_numbers_and_its_patch_is_accepted(case: Case) -> None:
    [verdict] = verdicts_on(case, case.fires, case.recipe)
    assert [text for text in case.says if text not in verdict.message] == []
    patched = patched_recipe(planned(case.recipe, case.card), verdict)
    assert (case.patch is None) == (verdict.patch == ())
    for pointer, value in (case.patch or {}).items():
        assert jsonpatch.JsonPointer(pointer).resolve(patched) == value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{CASES.index(case)}")
def test_a_rule_is_silent_on_a_near_miss(case: Case) -> None:
    assert verdicts_on(case, case.near_miss, case.near_recipe or case.recipe) == []


def test_every_rule_has_a_case_a_reason_and_a_source() -> None:
    assert {case.code for case in CASES} == {rule.code for rule in RULES}
    assert all(rule.reason and rule.source for rule in RULES)


def test_the_rules_are_ordered_by_severity() -> None:
    order = ["error", "warning", "info"]
    severities = [order.index(rule.severity) for rule in RULES]
    assert severities == sorted(severities)


def test_the_glossary_lists_every_rule_in_order() -> None:
    words = (Path(__file__).parents[2] / "docs" / "words.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (error|warning|info) \|", words, re.MULTILINE)
    assert listed[: len(RULES)] == [(rule.code, rule.severity) for rule in RULES]


def test_the_gravest_verdict_comes_first_and_a_healthy_run_has_one_too() -> None:
    both = judge(outcome_of(HIGH, COUNTED, epochs=CHANCE, never_predicted=(1, 2)))
    assert [verdict.code for verdict in both][:1] == ["learned_nothing"]
    assert [verdict.code for verdict in judge(outcome_of({}, COUNTED, epochs=HEALTHY))] == ["learned"]


def test_a_run_without_the_history_of_its_best_epoch_is_not_said_to_have_learned_nothing() -> None:
    late = {epoch: row for epoch, row in HEALTHY.items() if epoch > 1}
    assert judge(outcome_of({}, COUNTED, epochs=late, best_epoch=1)) == ()


metrics = st.floats(0, 1e6) | st.sampled_from([0.0, 1.0, inf, nan])
histories = st.lists(st.tuples(metrics, metrics, st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)


@settings(max_examples=60)
@given(
    plans(), histories, st.sampled_from(["epochs_done", "early_stopped", "time_budget", "pruned", "stopped_by_user"])
)
def test_any_run_with_a_best_epoch_has_a_verdict_whose_patch_is_accepted(
    plan: Plan, history: list[tuple[float, ...]], reason: str
) -> None:
    is_classes = plan.data.main.task == "classification"
    names = ["train_loss", "validation_loss", "train_accuracy", "validation_accuracy"] if is_classes else [
        "train_loss", "validation_loss", "validation_r2", "validation_mean_absolute_error"]  # fmt: skip
    names = [*names, plan.recipe.evaluation.monitor, f"validation_{plan.data.main.loss_metric}"]
    rows = {epoch: dict(zip(names, (*row, row[1], row[1]), strict=True)) for epoch, row in enumerate(history, start=1)}
    outcome = Outcome(plan=plan, reason=reason, epochs=rows, best_epoch=len(rows) // 2 + 1)
    found = judge(outcome)
    assert found
    for verdict in [*found, *judge(replace(outcome, diverged_at=3))]:
        patched_recipe(plan, verdict)


def patched_recipe(plan: Plan, verdict: Verdict) -> Any:
    steps = [step.model_dump(mode="json") for step in verdict.patch]
    document = jsonpatch.apply_patch(plan.recipe.canonical(), steps)
    return make_plan(read_recipe(document), plan.card, plan.checkpoints).recipe.canonical()
