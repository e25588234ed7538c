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
UOUT = {"type": "uout", "beta": 0.5, "placement": "block_before_norm"}
IN_STEPS = {"type": "batch_renorm", "unit": "steps", "plain_until": 5000, "r_max_at": 40_000, "d_max_at": 25_000}
BEFORE_CONV = {**IN_BLOCK, "placement": "block_before_conv"}
AFTER = {"type": "batch_norm", "placement": "after_activation"}
WIDE = {"type": "mlp", "hidden": [256, 256]}

CASES = [
    Case("variance_shift_direct", {"architecture": "resnet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "resnet", "norm": "group_norm", "dropout": IN_BLOCK},
         pointer="/dropout/0", says=("stage1.block1.sum.body.second.norm", "0.50"), card=image_card()),
    Case("variance_shift_direct", {"architecture": "densenet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "densenet", "norm": "batch_norm", "dropout": BEHIND},
         pointer="/dropout/0", says=("stage1.block1.body.second.norm", "0.50"), card=image_card()),
    Case("variance_shift", {"architecture": "wide_resnet", "norm": "batch_norm", "dropout": BEFORE_CONV},
         {"architecture": "wide_resnet", "norm": "batch_norm", "dropout": {**BEFORE_CONV, "rate": 0.3}},
         pointer="/dropout/0", says=("576",), card=image_card()),
    Case("variance_shift", BN_DROPOUT, {**BN_DROPOUT, "architecture": {"type": "mlp", "hidden": [32]}},
         pointer="/dropout/0", says=("hidden2.norm", "0.41", "256"), card=table_card()),
    Case("variance_shift", {"norm": "batch_norm", "dropout": 0.3, "architecture": {"type": "mlp", "hidden": [255, 9]}},
         {"norm": "batch_norm", "dropout": 0.3, "architecture": WIDE}, pointer="/dropout/0", says=("255",)),
    Case("variance_shift", {"norm": "batch_norm", "dropout": {"type": "dropout", "rate": 0.2, "placement": "input"}},
         {"norm": "layer_norm", "dropout": {"type": "dropout", "rate": 0.2, "placement": "input"}},
         pointer="/dropout/0", says=("hidden1.norm", "0.80", "64")),
    Case("variance_shift", {**BN_DROPOUT, "dropout": [0.5, BEHIND]},
         {"norm": "batch_norm", "dropout": BEHIND}, pointer="/dropout/0"),
    Case("variance_shift_direct", {"architecture": "resnet", "norm": "batch_norm", "dropout": UOUT},
         {"architecture": "resnet", "norm": "batch_norm", "dropout": {**UOUT, "beta": 0.3}},
         pointer="/dropout/0", says=("uout at 0.5", "0.92"), card=image_card()),
    Case("variance_shift", {"norm": "batch_norm", "dropout": {"type": "gaussian_noise", "std": 0.5}},
         {"norm": "batch_norm", "dropout": "gaussian_noise"}, pointer="/dropout/0",
         says=("gaussian_noise at 0.5", "0.58")),
    Case("variance_shift", {"architecture": "resnet", "norm": "batch_norm", "dropout": "spatial_dropout"},
         {"architecture": "resnet", "norm": "layer_norm", "dropout": "spatial_dropout"},
         pointer="/dropout/0", says=("spatial_dropout at 0.5", "144"), card=image_card()),
    Case("dropout_rate_high", {"dropout": {"type": "gaussian_dropout", "rate": 0.9}},
         {"dropout": {"type": "uout", "beta": 0.9}}, pointer="/dropout/0/rate", says=("drowned",)),
    Case("dropout_rate_high", {"dropout": {"type": "drop_connect", "rate": 0.9}},
         {"dropout": {"type": "drop_connect", "rate": 0.8}}, pointer="/dropout/0/rate", says=("90% of the weights",)),
    Case("variance_shift", {"norm": AFTER, "dropout": "drop_connect", "architecture": {"type": "mlp", "hidden": [32]}},
         {"norm": AFTER, "dropout": {"type": "drop_connect", "placement": "classifier"}},
         pointer="/dropout/0", says=("hidden1.norm", "drop_connect at 0.5", "0.50", "64")),
    Case("dropout_rate_high", {"dropout": 0.81}, {"dropout": 0.8}, pointer="/dropout/0/rate", says=("81%", "0.19")),
    Case("dropout_rate_high", {"dropout": [0.5, {"type": "dropout", "rate": 0.51, "placement": "input"}]},
         {"dropout": {"type": "dropout", "rate": 0.5, "placement": "input"}}, pointer="/dropout/1/rate"),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 8}, {"norm": "batch_norm", "batch_size": 16},
         pointer="/batch_size", says=("8 rows",)),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 15, "architecture": "resnet"},
         {"norm": "group_norm", "batch_size": 15, "architecture": "resnet"}, pointer="/batch_size", card=image_card()),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 9, "architecture": ONE_UNIT},
         {"batch_size": 9, "architecture": ONE_UNIT}, pointer="/batch_size"),
    Case("batch_renorm_stays_plain", {"norm": IN_STEPS, "epochs": 100}, {"norm": IN_STEPS, "epochs": 101},
         pointer="/norm/plain_until", says=("5,000",)),
    Case("batch_renorm_stays_plain", {"norm": {"type": "batch_renorm", "plain_until": 1, "r_max_at": 1, "d_max_at": 1}},
         {"norm": {"type": "batch_renorm", "plain_until": 0.9, "r_max_at": 1, "d_max_at": 1}},
         pointer="/norm/plain_until"),
    Case("batch_renorm_averages_lag", {"norm": "batch_renorm", "epochs": 5}, {"norm": "batch_renorm", "epochs": 6},
         pointer="/norm/momentum", says=("250 steps", "8%", "0.01")),
    Case("batch_renorm_averages_lag", {"norm": "batch_renorm", "epochs": 1, "batch_size": 4096},
         {"norm": "batch_norm", "epochs": 1, "batch_size": 4096}, pointer="/norm/momentum"),
    Case("variance_shift", {**BN_DROPOUT, "norm": "batch_renorm"}, {**BN_DROPOUT, "norm": "layer_norm"},
         pointer="/dropout/0"),
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
    Case("large_batch_without_warmup", {"optimizer": "sgd", "batch_size": 1024, "schedule": "multi_step"},
         {"optimizer": "sgd", "batch_size": 1024, "schedule": "one_cycle"}, pointer="/schedule/warmup_epochs"),
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
    Case("few_validation_rows", {"early_stopping": "generalization_loss"}, {"early_stopping": "successive_increases"},
         pointer="/early_stopping", says=("160 validation rows", "generalization_loss"), card=table_card(rows=1000)),
    Case("few_validation_rows", {}, {}, pointer="/early_stopping/patience",
         card=table_card(rows=1243), near_card=table_card(rows=1250)),
    Case("stops_before_the_drop", {"schedule": {"type": "step", "step_size": 11}},
         {"schedule": {"type": "step", "step_size": 10}}, severity="info", pointer="/early_stopping/patience"),
    Case("stops_before_the_drop", {"schedule": {"type": "step", "step_size": 20}},
         {"schedule": {"type": "step", "step_size": 20}, "epochs": 20}, severity="info",
         pointer="/early_stopping/patience"),
    Case("stops_before_the_drop", {"schedule": {"type": "multi_step", "milestones": [3, 14, 20]}},
         {"schedule": {"type": "multi_step", "milestones": [3, 13, 20]}}, severity="info",
         pointer="/early_stopping/patience", says=("10 epochs", "11")),
    Case("stops_before_the_drop", {"schedule": {"type": "plateau", "patience": 10}},
         {"schedule": {"type": "plateau", "patience": 9}}, severity="info", pointer="/early_stopping/patience"),
    Case("l2_with_adam", {"regularizer": ["l1", "l2"]}, {"regularizer": ["l1", "l2"], "optimizer": "sgd"},
         pointer="/regularizer/1", says=("0.0001",)),
    Case("l2_with_adam", {"regularizer": "l2", "optimizer": "rmsprop"}, {"regularizer": "l2", "optimizer": "sgd"},
         pointer="/regularizer/0", says=("rmsprop",)),
    Case("weight_noise_without_effect", {"architecture": "linear", "regularizer": ["l2", "weight_noise"]},
         {"architecture": "mlp", "regularizer": ["l2", "weight_noise"]}, pointer="/regularizer/1", says=("0.0001",),
         card=table_card(classes=None)),
    Case("weight_noise_without_effect", {"architecture": "linear", "regularizer": "weight_noise"},
         {"architecture": "linear", "regularizer": "weight_noise", "objective": "poisson"}, pointer="/regularizer/0",
         card=table_card(classes=None)),
    Case("decay_too_strong", {"optimizer": {"type": "rmsprop", "lr": 1000}, "regularizer": "weight_decay"},
         {"optimizer": {"type": "rmsprop", "lr": 1000}, "regularizer": "gradient_clip"},
         severity="error", pointer="/regularizer/0/coefficient"),
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
