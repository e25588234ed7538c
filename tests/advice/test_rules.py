"""Every rule fires on one recipe, is silent on a near one, and is settled by its own patch."""

from dataclasses import dataclass, field

import jsonpatch
import pytest
from hypothesis import given, settings

from bakehouse.advice.advice import Advice
from bakehouse.advice.rules import RULES, Rule, advise
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import Document, image_card, planned, table_card
from tests.plan.drawn import plans


@dataclass(frozen=True)
class Case:
    """What fires a rule, and what hardly does not."""

    rule: str
    fires: Document
    near_miss: Document
    severity: str = "warning"
    pointer: str = ""
    says: tuple[str, ...] = ()
    card: DatasetCard = field(default_factory=table_card)
    near_card: DatasetCard | None = None


BN_DROPOUT: Document = {"norm": "batch_norm", "dropout": 0.5}
DEEP = {"type": "mlp", "hidden": [32] * 5}
FLIP: Document = {"augmentation": ["input_noise", "horizontal_flip"]}
BEHIND = {"type": "dropout", "rate": 0.5, "placement": "classifier"}
MIN_MAX = {"id": "rows", "normalization": "min_max"}
AS_IT_IS = {"id": "rows", "normalization": "none"}
ONE_UNIT = {"type": "mlp", "hidden": 1}
SGD = {"type": "sgd", "lr": 0.1}
IN_BLOCK = {"type": "dropout", "rate": 0.5, "placement": "block_before_norm"}
WIDE = {"type": "mlp", "hidden": [256, 256]}

CASES = [
    Case("variance_shift_direct", {"architecture": "resnet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "resnet", "norm": "group_norm", "dropout": IN_BLOCK},
         pointer="/dropout/0", says=("stage1.block1.sum.body.second.norm", "0.50"), card=image_card()),
    Case("variance_shift", BN_DROPOUT, {**BN_DROPOUT, "architecture": {"type": "mlp", "hidden": [32]}},
         pointer="/dropout/0", says=("hidden2.norm", "0.41", "256"), card=table_card()),
    Case("variance_shift", {"norm": "batch_norm", "dropout": 0.3, "architecture": {"type": "mlp", "hidden": [255, 9]}},
         {"norm": "batch_norm", "dropout": 0.3, "architecture": WIDE}, pointer="/dropout/0", says=("255",)),
    Case("variance_shift", {"norm": "batch_norm", "dropout": {"type": "dropout", "rate": 0.2, "placement": "input"}},
         {"norm": "layer_norm", "dropout": {"type": "dropout", "rate": 0.2, "placement": "input"}},
         pointer="/dropout/0", says=("hidden1.norm", "0.80", "64")),
    Case("variance_shift", {**BN_DROPOUT, "dropout": [0.5, BEHIND]},
         {"norm": "batch_norm", "dropout": BEHIND}, pointer="/dropout/0"),
    Case("dropout_rate_high", {"dropout": 0.81}, {"dropout": 0.8}, pointer="/dropout/0/rate", says=("81%", "0.19")),
    Case("dropout_rate_high", {"dropout": [0.5, {"type": "dropout", "rate": 0.51, "placement": "input"}]},
         {"dropout": {"type": "dropout", "rate": 0.5, "placement": "input"}}, pointer="/dropout/1/rate"),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 8}, {"norm": "batch_norm", "batch_size": 16},
         pointer="/batch_size", says=("8 rows",)),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 15, "architecture": "resnet"},
         {"norm": "group_norm", "batch_size": 15, "architecture": "resnet"}, pointer="/batch_size", card=image_card()),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 9, "architecture": ONE_UNIT},
         {"batch_size": 9, "architecture": ONE_UNIT}, pointer="/batch_size"),
    Case("group_norm_single_channel",
         {"architecture": "resnet", "norm": {"type": "group_norm", "num_groups": 16}},
         {"architecture": "resnet", "norm": {"type": "group_norm", "num_groups": 8}},
         pointer="/norm/num_groups", says=("16 groups", "8 groups"), card=image_card()),
    Case("instance_norm_in_classifier", {"architecture": {"type": "cnn", "hidden": []}, "norm": "instance_norm"},
         {"architecture": {"type": "cnn", "hidden": []}, "norm": "group_norm"},
         severity="info", pointer="/norm", card=image_card()),
    Case("saturating_without_norm", {"architecture": {**DEEP, "activation": "sigmoid"}},
         {"architecture": {**DEEP, "activation": "sigmoid"}, "norm": "layer_norm"},
         pointer="/architecture/activation", says=("5 layers", "1e-03")),
    Case("saturating_without_norm", {"architecture": {**DEEP, "activation": "tanh"}},
         {"architecture": {"type": "mlp", "hidden": [32] * 4, "activation": "tanh"}},
         pointer="/architecture/activation"),
    Case("high_lr_without_norm", {"optimizer": {"type": "sgd", "lr": 0.11}}, {"optimizer": {"type": "sgd", "lr": 0.1}},
         pointer="/optimizer/lr", says=("0.11",)),
    Case("high_lr_without_norm", {"optimizer": {"type": "sgd", "lr": 1}},
         {"optimizer": {"type": "sgd", "lr": 1}, "architecture": "linear"}, pointer="/optimizer/lr"),
    Case("large_batch_without_warmup", {"optimizer": "sgd", "batch_size": 1024, "epochs": 3},
         {"optimizer": "sgd", "batch_size": 1024, "schedule": {"type": "constant", "warmup_epochs": 1}},
         pointer="/schedule/warmup_epochs", says=("1,024",)),
    Case("large_batch_without_warmup", {"optimizer": "sgd", "batch_size": 2048, "schedule": "cosine"},
         {"optimizer": "adam", "batch_size": 2048}, pointer="/schedule/warmup_epochs"),
    Case("inputs_not_normalized", {"dataset": AS_IT_IS}, {"dataset": MIN_MAX},
         pointer="/dataset/normalization", says=("-3 to 7",)),
    Case("flip_changes_meaning", FLIP, FLIP, pointer="/augmentation/1", says=("50%", "pictures"),
         card=image_card(mirror_safe=False), near_card=image_card()),
    Case("input_noise_large", {"augmentation": {"type": "input_noise", "std": 0.6}},
         {"augmentation": {"type": "input_noise", "std": 0.5}}, pointer="/augmentation/0/std", says=("0.6",)),
    Case("input_noise_large", {"augmentation": {"type": "input_noise", "std": 0.6}, "dataset": MIN_MAX},
         {"augmentation": {"type": "input_noise", "std": 9}, "dataset": AS_IT_IS}, pointer="/augmentation/0/std",
         says=("between 0 and 1",)),
    Case("smoothing_strong", {"objective": {"label_smoothing": 0.21}}, {"objective": {"label_smoothing": 0.2}},
         pointer="/objective/label_smoothing/epsilon", says=("21%",)),
    Case("short_patience", {"early_stopping": 2}, {"early_stopping": 3}, pointer="/early_stopping/patience"),
    Case("few_validation_rows", {}, {"early_stopping": 20}, pointer="/early_stopping/patience",
         says=("160 validation rows", "0.6%", "10"), card=table_card(rows=1000)),
    Case("few_validation_rows", {}, {}, pointer="/early_stopping/patience",
         card=table_card(rows=1243), near_card=table_card(rows=1250)),
    Case("stops_before_the_drop", {"schedule": {"type": "step", "step_size": 11}},
         {"schedule": {"type": "step", "step_size": 10}}, severity="info", pointer="/early_stopping/patience"),
    Case("stops_before_the_drop", {"schedule": {"type": "step", "step_size": 20}},
         {"schedule": {"type": "step", "step_size": 20}, "epochs": 20}, severity="info",
         pointer="/early_stopping/patience"),
    Case("l2_with_adam", {"regularizer": ["l1", "l2"]}, {"regularizer": ["l1", "l2"], "optimizer": "sgd"},
         pointer="/regularizer/1", says=("0.0001",)),
    Case("two_decays", {"optimizer": "adamw", "regularizer": "l2"}, {"optimizer": "adamw", "regularizer": "l1"},
         severity="error", pointer="/regularizer/0"),
    Case("decay_too_strong", {"optimizer": SGD, "regularizer": {"type": "l2", "coefficient": 10}},
         {"optimizer": SGD, "regularizer": {"type": "l2", "coefficient": 9.9}},
         severity="error", pointer="/regularizer/0/coefficient", says=("0.1", "10", "is 1;")),
    Case("decay_too_strong", {"optimizer": {"type": "adam", "lr": 1000}, "regularizer": "weight_decay"},
         {"optimizer": {"type": "adam", "lr": 1000}, "regularizer": {"type": "l2", "coefficient": 1}},
         severity="error", pointer="/regularizer/0/coefficient"),
    Case("decay_too_strong", {"optimizer": {"type": "sgd", "lr": 1}, "regularizer": {"type": "l1", "coefficient": 1}},
         {"optimizer": {"type": "sgd", "lr": 1}, "regularizer": {"type": "max_norm", "maxnorm": 1}},
         severity="error", pointer="/regularizer/0/coefficient"),
    Case("l1_subgradient", {"regularizer": {"type": "l1", "method": "subgradient"}}, {"regularizer": "l1"},
         pointer="/regularizer/0/method", says=("0.0001 sign(w)",)),
    Case("max_norm_with_decay", {"regularizer": ["max_norm", {"type": "weight_decay", "coefficient": 2e-3}]},
         {"regularizer": ["max_norm", {"type": "weight_decay", "coefficient": 1e-3}]},
         severity="info", pointer="/regularizer/1/coefficient", says=("0.002",)),
]  # fmt: skip

RULE_BY_NAME = {rule.__name__: rule for rule in RULES}


def found(rule: Rule, plan: Plan) -> list[Advice]:
    return list(rule(plan))


def patched(plan: Plan, advice: Advice) -> Plan:
    """The plan of the canonical recipe after the advice's patch."""
    steps = [step.model_dump(exclude_unset=True) for step in advice.patch]
    return make_plan(read_recipe(jsonpatch.apply_patch(plan.recipe.canonical(), steps)), plan.card)


cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{CASES.index(case)}")


@cases
def test_a_rule_fires_with_the_numbers_of_the_recipe(case: Case) -> None:
    [advice] = found(RULE_BY_NAME[case.rule], planned(case.fires, case.card))
    assert (advice.code, advice.severity, advice.pointer) == (case.rule, case.severity, case.pointer)
    assert [text for text in case.says if text not in advice.message] == []


@cases
def test_a_rule_is_silent_on_a_near_recipe(case: Case) -> None:
    assert found(RULE_BY_NAME[case.rule], planned(case.near_miss, case.near_card or case.card)) == []


@cases
def test_a_patch_silences_its_rule_and_leaves_a_recipe(case: Case) -> None:
    rule, plan = RULE_BY_NAME[case.rule], planned(case.fires, case.card)
    [advice] = found(rule, plan)
    assert advice.patch
    assert found(rule, patched(plan, advice)) == []


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == set(RULE_BY_NAME)


def test_the_defaults_need_no_advice() -> None:
    assert list(advise(planned({}))) == []
    assert list(advise(planned({"architecture": "resnet", "norm": "batch_norm", "dropout": 0.5}, image_card()))) == []


@settings(max_examples=150, deadline=None)
@given(plans())
def test_each_patch_settles_its_finding_in_any_recipe(plan: Plan) -> None:
    for rule in RULES:
        before = found(rule, plan)
        assert {advice.code for advice in before} <= {rule.__name__}
        for advice in before:
            assert jsonpatch.JsonPointer(advice.pointer).resolve(plan.recipe.canonical()) is not None
            assert len(found(rule, patched(plan, advice))) < len(before)
