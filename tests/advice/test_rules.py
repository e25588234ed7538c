"""Every rule fires on one recipe, is silent on a near one, and is settled by its own patch."""

from dataclasses import dataclass, field

import jsonpatch
import pytest
from hypothesis import given, settings

from bakehouse.advice.advice import Advice
from bakehouse.advice.rule import RULES, Rule
from bakehouse.advice.rules import advise
from bakehouse.plan.card import DatasetCard, TargetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from tests import mixed_table
from tests.plan.cards import SAVED, SMOOTHED, Document, columns_card, image_card, planned, sequence_card, table_card
from tests.strategies import plans


@dataclass(frozen=True)
class Case:
    """A recipe for which a rule fires, and a near one for which it does not."""

    rule: str
    fires: Document
    near_miss: Document
    severity: str = "warning"
    pointer: str = ""
    says: tuple[str, ...] = ()
    card: DatasetCard = field(default_factory=table_card)
    near_card: DatasetCard | None = None
    is_settled: bool = True
    """Whether a change of the recipe settles the finding."""


def counted(*counts: int) -> DatasetCard:
    """Rows with so many of each class."""
    return table_card(classes=len(counts), rows=sum(counts)).model_copy(update={"class_counts": counts})


BN_DROPOUT: Document = {"norm": "batch_norm", "dropout": 0.5}
DEEP = {"type": "mlp", "hidden": [32] * 5}
HINTS = {"type": "hints", "teacher": SAVED}
FLIP: Document = {"augmentation": ["input_noise", "horizontal_flip"]}
POPULATION = {"statistics": "population"}
BEHIND = {"type": "dropout", "rate": 0.5, "placement": "classifier"}
LATE = {"id": mixed_table.NAME, "target": "late"}
MIXED: Document = {"dataset": LATE}
MIN_MAX = {"id": "rows", "normalization": "min_max"}
AS_IT_IS = {"id": "rows", "normalization": "none"}
ONE_UNIT = {"type": "mlp", "hidden": 1}
SGD = {"type": "sgd", "lr": 0.1}
IN_BLOCK = {"type": "dropout", "rate": 0.5, "placement": "block_before_norm"}
UOUT = {"type": "uout", "beta": 0.5, "placement": "block_before_norm"}
SMALL_STATE = {"type": "rnn", "hidden_size": 8}
IN_STEPS = {"type": "batch_renorm", "unit": "steps", "burn_in": 5000, "r_max_from": 40_000, "d_max_from": 25_000}
CROSS = {"type": "cross_iteration_batch_norm"}
EASY_FIRST: Document = {"curriculum": {"type": "curriculum", "balanced": False}}
SELF_PACED = {"type": "self_paced"}
BEFORE_CONV = {**IN_BLOCK, "placement": "block_before_conv"}
AFTER = {"type": "batch_norm", "placement": "after_activation"}
WIDE = {"type": "mlp", "hidden": [256, 256]}

PARITY = TargetCard(name="parity", task="classification", classes=("even", "odd"))
BOTH = image_card().model_copy(update={"targets": (PARITY, TargetCard(name="gain", task="regression", minimum=0))})

TRANSFER: Document = {"pretraining": {"type": "transfer", "checkpoint": SAVED}}
TANH = {"type": "mlp", "activation": "tanh"}

NO_JITTER: Document = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}

CASES = [
    Case("full_shuffle_of_a_large_set", {"architecture": "cnn"},
         {"architecture": "cnn", "dataset": {"id": "pictures", "shuffle": "blocks"}}, severity="info",
         pointer="/dataset/shuffle", says=("18 GiB",), card=image_card(side=128, rows=400_000)),
    Case("full_shuffle_of_a_large_set", {"architecture": "cnn"}, {"architecture": "cnn"}, severity="info",
         pointer="/dataset/shuffle", card=image_card(side=128, rows=400_000),
         near_card=image_card(side=128, rows=300_000)),
    Case("transfer_other_activation", {**TRANSFER, "architecture": TANH}, TRANSFER, pointer="/architecture/activation",
         says=("relu", "tanh")),
    Case("transfer_inputs_elsewhere", TRANSFER, TRANSFER, pointer="/pretraining", says=("-3 to 700", "-3 to 7", "70"),
         card=table_card().model_copy(update={"maximum": 700.0}),
         near_card=table_card().model_copy(update={"maximum": 37.0})),
    Case("variance_shift_direct", {"architecture": "resnet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "resnet", "norm": "batch_norm", "dropout": UOUT},
         pointer="/dropout/0", says=("stage1.block1.sum.body.second.norm", "0.50"), card=image_card()),
    Case("variance_shift_direct", {"architecture": "densenet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "densenet", "norm": "batch_norm", "dropout": BEHIND},
         pointer="/dropout/0", says=("stage1.block1.body.second.norm", "0.50"), card=image_card()),
    Case("variance_shift", {"architecture": "wide_resnet", "norm": "batch_norm",
                            "dropout": {**BEFORE_CONV, "rate": 0.6}},
         {"architecture": "wide_resnet", "norm": "batch_norm", "dropout": BEFORE_CONV},
         pointer="/dropout/0", says=("Up to 0.5", "5 seeds"), card=image_card()),
    Case("variance_shift", {"architecture": "cnn", "norm": "batch_norm", "dropout": 0.3},
         {"architecture": "cnn", "norm": "layer_norm", "dropout": 0.3},
         pointer="/dropout/0", says=("stage2.conv1.norm", "96.6% at 0.3", "5 seeds"), card=image_card()),
    Case("variance_shift", {"architecture": "cnn", "norm": "batch_norm", "dropout": 0.2},
         {"architecture": "cnn", "norm": "batch_norm", "dropout": 0.1},
         pointer="/dropout/0", says=("98.4% at 0.2",), card=image_card()),
    Case("variance_shift_direct", {"architecture": "preresnet", "norm": "batch_norm",
                                   "dropout": {**IN_BLOCK, "rate": 0.3}},
         {"architecture": "preresnet", "norm": "batch_norm", "dropout": {**IN_BLOCK, "rate": 0.2}},
         pointer="/dropout/0", card=image_card()),
    Case("variance_shift", BN_DROPOUT, {**BN_DROPOUT, "architecture": {"type": "mlp", "hidden": [32]}},
         pointer="/dropout/0", says=("hidden2.norm", "0.41", "256"), card=table_card()),
    Case("variance_shift", {"norm": "batch_norm", "dropout": 0.3, "architecture": {"type": "mlp", "hidden": [255, 9]}},
         {"norm": "batch_norm", "dropout": 0.3, "architecture": WIDE}, pointer="/dropout/0", says=("255",)),
    Case("variance_shift", {"norm": "batch_norm", "dropout": {"type": "dropout", "rate": 0.3, "placement": "input"}},
         {"norm": "batch_norm", "dropout": {"type": "dropout", "rate": 0.2, "placement": "input"}},
         pointer="/dropout/0", says=("hidden1.norm", "0.70", "64")),
    Case("variance_shift", {**BN_DROPOUT, "dropout": [0.5, BEHIND]},
         {"norm": "batch_norm", "dropout": BEHIND}, pointer="/dropout/0"),
    Case("variance_shift", {"norm": "batch_norm", "dropout": {"type": "gaussian_noise", "std": 0.7}},
         {"norm": "batch_norm", "dropout": "gaussian_noise"}, pointer="/dropout/0",
         says=("gaussian_noise at 0.7", "0.41")),
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
    Case("dropout_of_many_classes", {"norm": "batch_norm", "dropout": BEHIND},
         {"norm": "batch_norm", "dropout": {**BEHIND, "rate": 0.3}}, severity="info", pointer="/dropout/0/rate",
         says=("100 classes", "at 0.5", "32 rows"), card=table_card(classes=100)),
    Case("dropout_of_many_classes", {"norm": "batch_norm", "dropout": BEHIND},
         {"norm": "batch_norm", "dropout": BEHIND}, severity="info", pointer="/dropout/0/rate",
         card=table_card(classes=100), near_card=table_card(classes=99)),
    Case("dropout_of_many_classes", {"norm": CROSS, "dropout": BEHIND}, {"norm": "layer_norm", "dropout": BEHIND},
         severity="info", pointer="/dropout/0/rate", card=table_card(classes=100)),
    Case("dropout_before_the_last_norm", {"architecture": "wide_resnet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "wide_resnet", "norm": "batch_norm", "dropout": BEFORE_CONV}, severity="info",
         pointer="/dropout/0/placement", says=("wide_resnet",), card=image_card()),
    Case("dropout_before_the_last_norm",
         {"architecture": "preresnet", "norm": "batch_norm", "dropout": [IN_BLOCK, BEFORE_CONV]},
         {"architecture": "resnet", "norm": "batch_norm", "dropout": IN_BLOCK}, severity="info",
         pointer="/dropout/0/placement", card=image_card()),
    Case("dropout_without_max_norm", {"dropout": 0.5, "optimizer": "sgd"},
         {"dropout": 0.5, "optimizer": "sgd", "regularizer": "max_norm"}, severity="info", pointer="/regularizer",
         says=("50%", "n / 0.5")),
    Case("dropout_without_max_norm", {"dropout": [0.8, BEHIND], "optimizer": "sgd", "regularizer": "l2"},
         {"dropout": [0.4, BEHIND], "optimizer": "sgd", "regularizer": "l2"}, severity="info", pointer="/regularizer",
         says=("80%", "n / 0.2")),
    Case("dropout_alone", {"dropout": 0.1, "early_stopping": None}, {"dropout": 0.1}, severity="info",
         pointer="/early_stopping", says=("3,200 rows",)),
    Case("dropout_alone", {"dropout": 0.1, "early_stopping": None}, {"dropout": 0.1, "early_stopping": None},
         severity="info", pointer="/early_stopping", near_card=table_card(rows=7813)),
    Case("decay_of_biases_and_norms", {"optimizer": "adamw", "regularizer": {"type": "l1", "include_norms": True}},
         {"optimizer": "adamw", "regularizer": "l1"}, pointer="/regularizer/0/include_norms",
         says=("scales and shifts of norms", "0.0001")),
    Case("decay_of_biases_and_norms",
         {"regularizer": {"type": "weight_decay", "include_biases": True, "include_norms": True}},
         {"regularizer": {"type": "weight_noise", "include_biases": True}}, pointer="/regularizer/0/include_biases",
         says=("biases and scales and shifts",)),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 8}, {"norm": "batch_norm", "batch_size": 16},
         pointer="/batch_size", says=("8 rows",)),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 15, "architecture": "resnet"},
         {"norm": "group_norm", "batch_size": 15, "architecture": "resnet"}, pointer="/batch_size", card=image_card()),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 9, "architecture": ONE_UNIT},
         {"batch_size": 9, "architecture": ONE_UNIT}, pointer="/batch_size"),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 8, "architecture": SMALL_STATE},
         {"norm": "batch_norm", "batch_size": 16, "architecture": SMALL_STATE}, pointer="/batch_size",
         card=sequence_card()),
    Case("batch_renorm_stays_plain", {"norm": IN_STEPS, "epochs": 100}, {"norm": IN_STEPS, "epochs": 101},
         pointer="/norm/burn_in", says=("5,000",)),
    Case("batch_renorm_stays_plain", {"norm": {"type": "batch_renorm", "burn_in": 1, "r_max_from": 1, "d_max_from": 1}},
         {"norm": {"type": "batch_renorm", "burn_in": 0.9, "r_max_from": 1, "d_max_from": 1}},
         pointer="/norm/burn_in"),
    Case("batch_renorm_averages_lag", {"norm": "batch_renorm", "epochs": 5}, {"norm": "batch_renorm", "epochs": 6},
         pointer="/norm/momentum", says=("250 steps", "8%", "0.01")),
    Case("batch_renorm_averages_lag", {"norm": "batch_renorm", "epochs": 1, "batch_size": 4096},
         {"norm": "batch_norm", "epochs": 1, "batch_size": 4096}, pointer="/norm/momentum"),
    Case("batch_norm_small_batch", {"norm": "batch_norm", "batch_size": 8},
         {"norm": "cross_iteration_batch_norm", "batch_size": 8}, pointer="/batch_size",
         says=("batch_renorm and cross_iteration_batch_norm",)),
    Case("curriculum_with_batch_norm", {**EASY_FIRST, "norm": "batch_norm"}, {**EASY_FIRST, "norm": "batch_renorm"},
         pointer="/curriculum/balanced", says=("20%", "10 classes")),
    Case("curriculum_with_batch_norm", {"curriculum": {**SELF_PACED, "balanced": False}, "norm": "batch_norm"},
         {"curriculum": SELF_PACED, "norm": "batch_norm"}, pointer="/curriculum/balanced", says=("50%",)),
    Case("curriculum_ends_late", {"curriculum": {"type": "curriculum", "until": 0.91}},
         {"curriculum": {"type": "curriculum", "until": 0.9}}, pointer="/curriculum/until", says=("91%", "225 of")),
    Case("curriculum_ends_late", {"curriculum": {**SELF_PACED, "until": 1, "warmup_epochs": 4}, "epochs": 5},
         {"curriculum": {**SELF_PACED, "until": 0.9, "warmup_epochs": 4}, "epochs": 5}, pointer="/curriculum/until"),
    Case("self_paced_without_warmup", {"curriculum": {**SELF_PACED, "warmup_epochs": 0}}, {"curriculum": SELF_PACED},
         pointer="/curriculum/warmup_epochs", says=("50%",)),
    Case("stops_within_curriculum", {"curriculum": "curriculum"}, {"curriculum": "curriculum", "early_stopping": 24},
         severity="info", pointer="/early_stopping/min_epochs", says=("epoch 11", "epoch 25")),
    Case("stops_within_curriculum", {"curriculum": SELF_PACED, "early_stopping": "successive_increases"},
         {"curriculum": SELF_PACED, "early_stopping": {"type": "successive_increases", "min_epochs": 40}},
         severity="info", pointer="/early_stopping/min_epochs", says=("epoch 40",)),
    Case("cross_iteration_without_burn_in", {"norm": {**CROSS, "burn_in": 0}},
         {"norm": {**CROSS, "burn_in": 0, "window": 1}}, pointer="/norm/burn_in", says=("4 iterations",)),
    Case("cross_iteration_stays_plain", {"norm": {**CROSS, "unit": "steps", "burn_in": 5000}, "epochs": 100},
         {"norm": {**CROSS, "unit": "steps", "burn_in": 5000}, "epochs": 101}, pointer="/norm/burn_in",
         says=("5,000",)),
    Case("variance_shift", {**BN_DROPOUT, "norm": "cross_iteration_batch_norm"}, {**BN_DROPOUT, "norm": "group_norm"},
         pointer="/dropout/0"),
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
    Case("rotation_changes_meaning", {"augmentation": {"type": "affine", "degrees": 46}},
         {"augmentation": {"type": "affine", "degrees": 45}}, pointer="/augmentation/0/degrees", says=("46 degrees",),
         card=image_card(mirror_safe=False)),
    Case("rotation_changes_meaning", {"augmentation": "trivial_augment"}, {"augmentation": "rand_augment"},
         pointer="/augmentation/0/space", says=("135 degrees", "pictures"), card=image_card(mirror_safe=False)),
    Case("rotation_changes_meaning", {"augmentation": "trivial_augment"}, {"augmentation": "trivial_augment"},
         pointer="/augmentation/0/space", card=image_card(mirror_safe=False), near_card=image_card()),
    Case("scale_crop_without_room", {"augmentation": {"type": "scale_crop", "low": 32, "high": 33}},
         {"augmentation": {"type": "scale_crop", "low": 33, "high": 33}}, pointer="/augmentation/0/low",
         says=("32 pixels",), card=image_card()),
    Case("hue_turned_far", {"augmentation": {"type": "color_jitter", "hue": 0.26}},
         {"augmentation": {"type": "color_jitter", "hue": 0.25}}, severity="info", pointer="/augmentation/0/hue",
         says=("0.26",), card=image_card()),
    Case("smoothing_of_mixed_targets", {"augmentation": "mixup", "objective": {"label_smoothing": 0.1}},
         {"augmentation": "input_noise", "objective": {"label_smoothing": 0.1}}, pointer="/objective/label_smoothing",
         says=("mixup", "10%")),
    Case("flip_changes_meaning", FLIP, FLIP, pointer="/augmentation/1", says=("50%", "pictures"),
         card=image_card(mirror_safe=False), near_card=image_card()),
    Case("input_noise_large", {"augmentation": {"type": "input_noise", "std": 0.6}},
         {"augmentation": {"type": "input_noise", "std": 0.5}}, pointer="/augmentation/0/std", says=("0.6",)),
    Case("input_noise_large", {"augmentation": {"type": "input_noise", "std": 0.6}, "dataset": MIN_MAX},
         {"augmentation": {"type": "input_noise", "std": 9}, "dataset": AS_IT_IS}, pointer="/augmentation/0/std",
         says=("between 0 and 1",)),
    Case("left_out_columns", MIXED, {"dataset": {**LATE, "columns": {"exclude": "name"}}}, severity="info",
         pointer="/dataset/columns", says=("name is free text",), card=mixed_table.card()),
    Case("empty_cells_filled", MIXED, {"dataset": {**LATE, "columns": ["dogs", "city"]}}, severity="info",
         pointer="/dataset/columns/missing", says=("of the 120 rows", "age in ", "says where"), is_settled=False,
         card=mixed_table.card()),
    Case("unlabelled_rows_left_out", {"dataset": {**LATE, "target": "fare"}}, MIXED, severity="info",
         pointer="/dataset/target", says=("fare is empty in ", "of 120 rows"), is_settled=False,
         card=mixed_table.card()),
    Case("commonest_class", {"evaluation": "validation_accuracy"}, {}, severity="info", pointer="/dataset",
         says=("90.0% of the rows are 0", "rarest class is 1 with 10.0%", "monitor validation_balanced_accuracy"),
         card=counted(900, 100), near_card=counted(740, 260)),
    Case("commonest_class", {}, {"evaluation": "validation_f1"}, severity="info", pointer="/dataset",
         says=("accuracy of 80.0%", "objective.class_weights and dataset.sampling"), is_settled=False,
         card=counted(800, 200)),
    Case("commonest_class", {"objective": {"class_weights": "balanced"}}, {"objective": {"class_weights": "balanced"}},
         severity="info", pointer="/dataset", says=("validation_loss has the classes as common as they are",),
         card=counted(800, 200), near_card=table_card()),
    Case("commonest_class",
         {"dataset": {"id": "rows", "sampling": "balanced"}, "early_stopping": "generalization_loss"},
         {"evaluation": "validation_auroc"}, severity="info", pointer="/dataset", is_settled=False,
         card=counted(800, 200)),
    Case("class_missing_in_folds", {"dataset": {"id": "rows", "folds": 5, "fold": 2}},
         {"dataset": {"id": "rows", "folds": 4, "fold": 2}}, pointer="/dataset/folds",
         says=("than the 5 folds: 1 (4 rows).",), card=counted(995, 5)),
    Case("class_missing_in_folds", {"dataset": {"id": "rows", "folds": 5, "fold": 4}},
         {"dataset": {"id": "rows", "folds": 5, "fold": 4}}, pointer="/dataset/folds", is_settled=False,
         says=("1 (3 rows), 2 (4 rows)",), card=counted(900, 4, 5),
         near_card=table_card()),
    Case("source_saw_the_fold", {**TRANSFER, "dataset": {"id": "rows", "folds": 5, "fold": 2}}, TRANSFER,
         pointer="/pretraining/checkpoint", is_settled=False, says=("rows that validate in fold 2",)),
    Case("source_saw_the_fold", {**TRANSFER, "dataset": {"id": "rows", "folds": 2, "fold": 0}},
         {**TRANSFER, "dataset": {"id": "rows", "folds": 2, "fold": 0}}, pointer="/pretraining/checkpoint",
         is_settled=False, near_card=table_card().model_copy(update={"fingerprint": "sha256:1"})),
    Case("task_weights_far_apart", {"objective": {"tasks": ["parity", {"target": "gain", "weight": 231}]}},
         {"objective": {"tasks": [{"target": "parity", "weight": 1.6}, {"target": "gain", "weight": 100}]}},
         pointer="/objective/tasks/1/weight", says=("gain in the loss is 231", "parity 0.693", "333 times"), card=BOTH),
    Case("task_weights_far_apart", {"objective": {"tasks": {"target": "gain", "weight": 0.02}}},
         {"objective": {"tasks": {"target": "gain", "weight": 0.03}}},
         pointer="/objective/tasks/0/weight", says=("main in the loss is 2.3", "gain 0.02", "115 times"), card=BOTH),
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
    Case("batch_norm_over_steps", {"architecture": "rnn", "norm": {"type": "batch_norm", "affine": False}},
         {"architecture": "rnn", "norm": "layer_norm"}, pointer="/norm", says=("all 12 steps",), card=sequence_card()),
    Case("batch_norm_over_steps", {"architecture": "rnn", "norm": "batch_renorm"},
         {"architecture": "mlp", "norm": "batch_renorm"}, pointer="/norm", says=("all 32 steps",), card=image_card()),
    Case("recurrent_gradients_unclipped", {"architecture": "rnn", "regularizer": "max_norm"},
         {"architecture": "rnn", "regularizer": ["max_norm", "gradient_clip"]}, severity="info",
         pointer="/regularizer", says=("12 steps",), card=sequence_card()),
    Case("variance_shift",
         {"architecture": {"type": "rnn", "num_layers": 2}, "norm": "batch_norm", "dropout": 0.4},
         {"architecture": {"type": "rnn", "num_layers": 1}, "norm": "batch_norm", "dropout": 0.4},
         pointer="/dropout/0", says=("layer2.recurrent.norm_ih", "a unit sums 64"), card=sequence_card()),
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
    Case("adversarial_epsilon_large", {"objective": {"adversarial": 0.31}, "architecture": "cnn"},
         {"objective": {"adversarial": 0.3}, "architecture": "cnn"}, pointer="/objective/adversarial/epsilon",
         says=("31% of the range",), card=image_card()),
    Case("adversarial_epsilon_large", {"objective": {"adversarial": {"epsilon": 1.5, "steps": 9}}},
         {"objective": {"adversarial": 1}}, pointer="/objective/adversarial/epsilon", says=("1.5 standard",)),
    Case("adversarial_epsilon_large", {"objective": {"adversarial": 0.5}, "dataset": MIN_MAX},
         {"objective": {"adversarial": 0.5}, "dataset": AS_IT_IS}, pointer="/objective/adversarial/epsilon"),
    Case("adversarial_costs_accuracy", {"objective": {"adversarial": {"weight": 1}}}, {"objective": {"adversarial": 1}},
         severity="info", pointer="/objective/adversarial/weight", says=("100%", "validation_loss")),
    Case("smoothed_teacher", {"objective": {"distillation": {"teacher": SMOOTHED}}},
         {"objective": {"distillation": {"teacher": SMOOTHED, "temperature": 1}}},
         pointer="/objective/distillation/temperature", says=("temperature 4",)),
    Case("smoothed_teacher", {"pretraining": {"type": "hints", "teacher": SMOOTHED}},
         {"pretraining": {"type": "hints", "teacher": SAVED}}, pointer="/pretraining/temperature", says=("3",)),
    Case("hints_for_a_shallow_student", {"pretraining": {"type": "hints", "teacher": SAVED}},
         {"pretraining": {"type": "hints", "teacher": SAVED}, "architecture": {"type": "mlp", "hidden": [32] * 3}},
         severity="info", pointer="/pretraining", says=("2 hidden layers learn from 2",)),
    Case("hints_guide_too_deep", {"architecture": DEEP, "pretraining": {**HINTS, "guided_layer": 4}},
         {"architecture": DEEP, "pretraining": {**HINTS, "guided_layer": 3}}, pointer="/pretraining/guided_layer",
         says=("4 of 5", "layer 3")),
    Case("l1_subgradient", {"regularizer": {"type": "l1", "method": "subgradient"}}, {"regularizer": "l1"},
         pointer="/regularizer/0/method", says=("0.0001 sign(w)",)),
    Case("max_norm_with_decay", {"regularizer": ["max_norm", {"type": "weight_decay", "coefficient": 2e-3}]},
         {"regularizer": ["max_norm", {"type": "weight_decay", "coefficient": 1e-3}]},
         severity="info", pointer="/regularizer/1/coefficient", says=("0.002",)),
    Case("statistics_hold_the_shift", BN_DROPOUT, {**BN_DROPOUT, "norm": "layer_norm"},
         severity="info", pointer="/evaluation/statistics", says=("/dropout/0", "3,200 rows")),
    Case("statistics_hold_the_shift", {"architecture": "resnet", "norm": "batch_norm", "dropout": IN_BLOCK},
         {"architecture": "resnet", "norm": "batch_norm", "dropout": IN_BLOCK, "evaluation": POPULATION},
         severity="info", pointer="/evaluation/statistics", card=image_card()),
    Case("l2_before_batch_norm", {"norm": "batch_norm", "regularizer": "l2", "optimizer": "sgd"},
         {"norm": "layer_norm", "regularizer": "l2", "optimizer": "sgd"},
         severity="info", pointer="/regularizer/0", says=("2 layers",)),
    Case("l2_before_batch_norm", {"norm": "batch_norm", "regularizer": "l2", "optimizer": "sgd"},
         {"norm": AFTER, "regularizer": "l2", "optimizer": "sgd"}, severity="info", pointer="/regularizer/0"),
    Case("measuring_outweighs_training",
         {"dropout": 0.1, "epochs": 1, "evaluation": {"monte_carlo_samples": 1000}},
         {"dropout": 0.1, "epochs": 1000, "evaluation": {"monte_carlo_samples": 1000}},
         pointer="/evaluation/monte_carlo_samples", says=("1,000 passes", "more than 1 epoch over")),
    Case("crops_change_meaning", {"evaluation": {"crops": {"flips": True}}}, {"evaluation": {"crops": {}}},
         pointer="/evaluation/crops/flips", says=("pictures",), card=image_card(mirror_safe=False)),
    Case("crops_change_meaning", {**FLIP, "evaluation": {"crops": {}}}, {**FLIP, "evaluation": {"crops": {}}},
         pointer="/evaluation/crops/flips", card=image_card(mirror_safe=False), near_card=image_card()),
    Case("adam_lr_high", {"optimizer": {"type": "adam", "lr": 3}}, {"optimizer": {"type": "adam", "lr": 0.1}},
         pointer="/optimizer/lr", says=("lr 3",)),
    Case("color_jitter_does_nothing", {"augmentation": {"type": "color_jitter", **NO_JITTER}},
         {"augmentation": {"type": "color_jitter", **NO_JITTER, "hue": 0.1}}, pointer="/augmentation/0",
         card=image_card()),
    Case("mixing_without_partner", {"augmentation": "mixup", "batch_size": 1},
         {"augmentation": "mixup", "batch_size": 2}, pointer="/augmentation/0", says=("one row",)),
    Case("blur_hides_the_image", {"augmentation": "gaussian_blur"}, {"augmentation": "gaussian_blur"},
         pointer="/augmentation/0/sigma", says=("12 pixels wide", "have 8"), card=image_card(side=8),
         near_card=image_card(side=13)),
    Case("masks_are_all_alike", {"dropout": 0, "evaluation": {"monte_carlo_samples": 5}},
         {"dropout": 0.1, "evaluation": {"monte_carlo_samples": 5}}, pointer="/evaluation/monte_carlo_samples",
         says=("5 passes measures the same",)),
    Case("whole_numbers_either_way", {"dataset": {"id": "houses", "target": "rooms"}},
         {"dataset": {"id": "houses", "target": "price"}}, severity="info", pointer="/objective/loss",
         says=("rooms has 3 whole values", "as classes", "objective.loss to squared_error"), card=columns_card()),
    Case("whole_numbers_either_way", {"dataset": {"id": "houses", "target": "rooms"}},
         {"dataset": {"id": "houses", "target": "rooms"}, "objective": {"loss": "squared_error"}}, severity="info",
         pointer="/objective/loss", card=columns_card()),
    Case("whole_numbers_either_way", {"dataset": {"id": "houses", "target": "rooms"}},
         {"dataset": {"id": "houses", "target": "rooms"}, "evaluation": {"monitor": "validation_accuracy"}},
         severity="info", pointer="/objective/loss", card=columns_card()),
]  # fmt: skip

RULE_BY_NAME = {rule.code: rule for rule in RULES}


def found(rule: Rule, plan: Plan) -> list[Advice]:
    return list(rule(plan))


def patched(plan: Plan, advice: Advice) -> Plan:
    """The plan of the canonical recipe after the advice's patch."""
    steps = [step.model_dump(exclude_unset=True) for step in advice.patch]
    return make_plan(read_recipe(jsonpatch.apply_patch(plan.recipe.canonical(), steps)), plan.card, plan.checkpoints)


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
    assert bool(advice.patch) == case.is_settled
    assert not case.is_settled or found(rule, patched(plan, advice)) == []


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == set(RULE_BY_NAME)


def test_the_defaults_need_no_advice() -> None:
    assert list(advise(planned({}))) == []
    assert list(advise(planned({"architecture": "resnet", "norm": "batch_norm", "dropout": 0.5}, image_card()))) == []


@settings(max_examples=150, deadline=None)
@given(plans(large=True))
def test_each_patch_settles_its_finding_in_any_recipe(plan: Plan) -> None:
    for rule in RULES:
        before = found(rule, plan)
        assert {advice.code for advice in before} <= {rule.code}
        for advice in before:
            assert jsonpatch.JsonPointer(advice.pointer).resolve(plan.recipe.canonical()) is not None
            assert not advice.patch or len(found(rule, patched(plan, advice))) < len(before)
