"""Each check refuses one recipe and accepts a near one."""

from dataclasses import dataclass
from typing import get_args

import jsonpatch
import numpy as np
import pytest

from bakehouse.plan.card import Column, DatasetCard, Lengths, OwnSizes, SplitCounts, TargetCard, UnreadablePictures
from bakehouse.plan.checks.architecture import pooling_leaves_pixels
from bakehouse.plan.context import CHECKS, Context
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.layers import Pool, Sequential
from bakehouse.plan.plan import resolve
from bakehouse.plan.splits import split_sizes
from bakehouse.recipe.norm import NormLayer
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests import mixed_table
from tests.plan.cards import SAVED, Document, columns_card, image_card, planned, sequence_card, table_card

SMALL, ROWS, NUMBERS, STEPS = image_card(side=8), table_card(rows=1000), table_card(classes=None), sequence_card()
RAGGED = STEPS.model_copy(update={"lengths": Lengths(minimum=1, median=4, maximum=12)})

AFTER: Document = {"type": "batch_norm", "placement": "after_activation"}
CROSS = "cross_iteration_batch_norm"
NORMS = {kind.model_fields["type"].default: kind for kind in get_args(NormLayer)}
OTHER_NORMS = tuple(name for name in NORMS if name != CROSS)
INSIDE_CELLS = ("none", *(name for name, kind in NORMS.items() if kind.inside_cells))
IN_BLOCK = {"type": "dropout", "placement": "block_before_norm"}
IN_FRONT = {"type": "dropout", "placement": "input"}
PENALIZED: Document = {"architecture": "linear", "regularizer": "dropout_penalty"}
WHITENED: Document = {"dataset": {"id": "rows", "normalization": "whiten"}}
HINTS = {"type": "hints", "teacher": SAVED}
TAUGHT = {"distillation": {"teacher": SAVED}}


LATE = {"id": mixed_table.NAME, "target": "late"}
GAIN = {"id": "houses", "target": "gain"}
COLUMNS = columns_card()
COLUMNS = COLUMNS.model_copy(
    update={"columns": (*(COLUMNS.columns or ()), Column(name="gain", kind="number", minimum=-1, maximum=1))}
)


PARITY = TargetCard(name="parity", task="classification", classes=("even", "odd"))
BOTH = image_card(side=8).model_copy(
    update={"targets": (PARITY, TargetCard(name="gain", task="regression", minimum=-1))}
)
SPOILT = SMALL.model_copy(
    update={"unreadable": UnreadablePictures(count=3, of=200, problems=("a/1.png cannot be read",))}
)
OWN = {"id": "pictures", "size": "off"}
PICTURES = SMALL.model_copy(
    update={"format": "pictures", "own_sizes": OwnSizes(shortest=8, longest=80, elongation=10, pixels=10**7)}
)
COUNTED = table_card(classes=2, rows=1000).model_copy(update={"class_counts": (900, 100)})
FEW_OF_EACH = table_card(classes=3, rows=18).model_copy(update={"class_counts": (6, 6, 6)})
GRADED: Document = {"dataset": {"id": "houses", "target": "grade"}}
GRADE = Column(name="grade", kind="number", whole=True, classes=("1", "2", "3"), class_counts=(600, 399, 1), minimum=1,
               maximum=3, mean=1.4)  # fmt: skip
GRADES = COLUMNS.model_copy(update={"columns": (*(COLUMNS.columns or ()), GRADE)})
ALONE: dict[str, Document] = {
    "/augmentation/0": {"augmentation": "mixup"},
    "/augmentation/1": {"augmentation": ["input_noise", "cutmix"]},
    "/regularizer/0": {"architecture": "linear", "regularizer": "dropout_penalty"},
}
"""Ingredients that are defined for one target, by their pointers."""


@dataclass(frozen=True)
class Case:
    """A check with a recipe that it refuses and a near one that it takes."""

    check: str
    refused: Document
    taken: Document
    pointer: str
    allowed: tuple[str, ...] | None = None
    card: DatasetCard = ROWS


CASES = [
    Case("photographs_get_one_size", {"dataset": OWN, "augmentation": ["horizontal_flip", "scale_crop"]},
         {"dataset": OWN, "augmentation": ["scale_crop", "horizontal_flip"]}, "/dataset/size", ("null", "8 to 1024"),
         PICTURES),
    Case("windows_are_cut_out_of_photographs", {"augmentation": {"type": "random_resized_crop", "size": 8}},
         {"dataset": OWN, "augmentation": {"type": "random_resized_crop", "size": 8}}, "/augmentation/0/size",
         ("null",), PICTURES),
    Case("resized_photographs_fit", {"dataset": OWN, "augmentation": {"type": "scale_crop", "high": 2992}},
         {"dataset": OWN, "augmentation": {"type": "scale_crop", "high": 2991}}, "/augmentation/0/high", ("<= 2991",),
         PICTURES),
    Case("crops_fit", {"dataset": OWN, "augmentation": "scale_crop", "evaluation": {"crops": 2992}},
         {"dataset": OWN, "augmentation": "scale_crop", "evaluation": {"crops": 2991}}, "/evaluation/crops/scales/0",
         ("<= 2991",), PICTURES),
    Case("size_is_that_of_pictures", {"dataset": {"id": "images", "size": 16}}, {}, "/dataset/size", ("null",), SMALL),
    Case("pictures_are_readable", {}, {"dataset": {"id": "images", "max_unreadable": 0.015}}, "/dataset/max_unreadable",
         (">= 0.015",), SPOILT),
    Case("architecture_takes_the_data", {"architecture": "cnn"}, {"architecture": "mlp"}, "/architecture/type",
         ("linear", "mlp")),
    Case("augmentation_takes_the_data", {"augmentation": ["input_noise", "random_crop"]},
         {"augmentation": "input_noise"},
         "/augmentation/1", ("input_noise", "mixup")),
    Case("augmentation_takes_the_data", {"augmentation": "cutmix"}, {"augmentation": "mixup"}, "/augmentation/0",
         ("input_noise", "mixup")),
    Case("augmentation_takes_the_data", {"augmentation": "cutout"}, {}, "/augmentation/0", ("input_noise", "mixup"),
         table_card().model_copy(update={"kind": "sequence", "shape": (12, 3)})),
    Case("architecture_reads_ragged_sequences", {"architecture": "mlp"}, {"architecture": "rnn"}, "/architecture/type",
         ("rnn",), RAGGED),
    Case("ragged_sequences_are_not_mixed", {"architecture": "rnn", "augmentation": "mixup"},
         {"architecture": "rnn", "augmentation": "input_noise"}, "/augmentation/0", ("input_noise",), RAGGED),
    Case("ragged_sequences_are_not_compiled", {"architecture": "rnn", "compile": "on"}, {"architecture": "rnn"},
         "/compile", ("auto", "off"), RAGGED),
    Case("hints_see_all_steps", {"architecture": "rnn", "pretraining": HINTS}, {"architecture": "rnn"},
         "/pretraining/type", ("none", "transfer"), RAGGED),
    Case("crop_leaves_pixels", {"augmentation": {"type": "random_crop", "padding": 8}},
         {"augmentation": {"type": "random_crop", "padding": 7}}, "/augmentation/0/padding", ("< 8",), SMALL),
    Case("cutout_leaves_pixels", {"augmentation": {"type": "cutout", "size": 9}},
         {"augmentation": {"type": "cutout", "size": 8}}, "/augmentation/0/size", ("<= 8",), SMALL),
    Case("scales_cover_the_window", {"augmentation": {"type": "scale_crop", "low": 7}},
         {"augmentation": {"type": "scale_crop", "low": 8}}, "/augmentation/0/low", (">= 8",), SMALL),
    Case("scales_cover_the_window", {"augmentation": {"type": "scale_crop", "low": 12, "high": 11}},
         {"augmentation": {"type": "scale_crop", "low": 12, "high": 12}}, "/augmentation/0/high", (">= 12",), SMALL),
    Case("color_needs_rgb", {"augmentation": {"type": "color_jitter", "saturation": 0.1}},
         {"augmentation": "color_jitter"}, "/augmentation/0/saturation", ("0",), image_card(channels=1)),
    Case("color_needs_rgb", {"augmentation": {"type": "color_jitter", "hue": 0.1}},
         {"augmentation": {"type": "color_jitter", "hue": 0}}, "/augmentation/0/hue", ("0",), image_card(channels=4)),
    Case("only_one_mixing", {"augmentation": ["mixup", "cutmix"]}, {"augmentation": "cutmix"}, "/augmentation/1", None,
         SMALL),
    Case("loss_fits_target", {"objective": "squared_error"}, {"objective": "cross_entropy"}, "/objective/loss",
         ("cross_entropy",)),
    Case("loss_fits_target", {"objective": "cross_entropy"}, {}, "/objective/loss",
         ("squared_error", "poisson"), NUMBERS),
    Case("loss_fits_target", {"objective": "binary_cross_entropy"}, {}, "/objective/loss", ("cross_entropy",)),
    Case("loss_fits_target", {"objective": "poisson"}, {"objective": "binary_cross_entropy"}, "/objective/loss",
         ("cross_entropy", "binary_cross_entropy"), table_card(classes=2)),
    Case("counts_are_not_negative", {"dataset": GAIN, "objective": "poisson"},
         {"dataset": {"id": "houses", "target": "price"}, "objective": "poisson"}, "/objective/loss",
         ("squared_error",), COLUMNS),
    Case("penalty_fits_model", {"regularizer": ["l2", "dropout_penalty"]},
         {"architecture": "linear", "regularizer": ["l2", "dropout_penalty"]}, "/regularizer/1",
         ("architecture linear",)),
    Case("penalty_fits_model", {"architecture": "linear", "regularizer": "dropout_penalty", "dropout": 0.1},
         {"architecture": "linear", "regularizer": "dropout_penalty"}, "/regularizer/0"),
    Case("smoothing_fits", {"objective": {"label_smoothing": 0.1}}, {}, "/objective/label_smoothing", ("null",),
         NUMBERS),
    Case("smoothing_fits", {"objective": {"label_smoothing": {"epsilon": 0.9, "spread": "wrong_classes"}}},
         {"objective": {"label_smoothing": {"epsilon": 0.89, "spread": "wrong_classes"}}},
         "/objective/label_smoothing/epsilon", ("< 0.9",)),
    Case("attack_has_a_range", {"objective": {"adversarial": {"unit": "range"}}}, {"objective": {"adversarial": 0.1}},
         "/objective/adversarial/unit", ("normalized",)),
    Case("attack_has_a_range", {"objective": {"adversarial": {"unit": "range"}}, "architecture": "rnn"},
         {"objective": {"adversarial": {"unit": "normalized"}}, "architecture": "rnn"}, "/objective/adversarial/unit",
         ("normalized",), STEPS),
    Case("attack_has_a_range", {**WHITENED, "objective": {"adversarial": {"unit": "range"}}, "architecture": "cnn"},
         {**WHITENED, "objective": {"adversarial": 0.1}, "architecture": "cnn"}, "/objective/adversarial/unit",
         ("normalized",), image_card(side=8)),
    Case("covariance_is_small", WHITENED, {}, "/dataset/normalization", ("standardize", "min_max", "none"),
         table_card(features=4097)),
    Case("some_columns_are_numbers", {"dataset": {**LATE, "normalization": "whiten", "columns": ["fare"]}},
         {"dataset": {**LATE, "normalization": "whiten"}}, "/dataset/normalization",
         ("standardize", "min_max", "none"), mixed_table.card()),
    Case("epsilon_is_used", {"dataset": {"id": "rows", "whitening_epsilon": 0.1}}, WHITENED,
         "/dataset/whitening_epsilon", ("null",)),
    Case("penalty_sees_what_is_trained", {**PENALIZED, "objective": {"adversarial": {"weight": 1}}},
         {**PENALIZED, "objective": {"adversarial": {"weight": 0.9}}}, "/objective/adversarial/weight", ("< 1",)),
    Case("single_teacher_source", {"objective": TAUGHT, "pretraining": HINTS}, {"objective": TAUGHT},
         "/objective/distillation",
         ("null",), table_card()),
    Case("teachers_have_classes", {"objective": TAUGHT}, {}, "/objective/distillation", ("null",), NUMBERS),
    Case("teachers_have_classes", {"pretraining": {**HINTS, "coefficient": 0}},
         {"pretraining": {**HINTS, "coefficient": 0, "final_coefficient": 0}}, "/pretraining/final_coefficient", ("0",),
         NUMBERS),
    Case("teachers_have_classes", {"pretraining": {**HINTS, "final_coefficient": 0}},
         {"pretraining": {**HINTS, "coefficient": 0, "final_coefficient": 0}}, "/pretraining/coefficient", ("0",),
         NUMBERS),
    Case("loss_fits_target", {"objective": {"tasks": {"target": "parity", "loss": "squared_error"}}},
         {"objective": {"tasks": {"target": "parity", "loss": "binary_cross_entropy"}}}, "/objective/tasks/0/loss",
         ("cross_entropy", "binary_cross_entropy"), BOTH),
    Case("counts_are_not_negative", {"objective": {"tasks": ["parity", {"target": "gain", "loss": "poisson"}]}},
         {"objective": {"tasks": ["parity", "gain"]}}, "/objective/tasks/1/loss", ("squared_error",), BOTH),
    Case("smoothing_fits",
         {"objective": {"label_smoothing": {"epsilon": 0.5, "spread": "wrong_classes"}, "tasks": "parity"}},
         {"objective": {"label_smoothing": {"epsilon": 0.49, "spread": "wrong_classes"}, "tasks": ["parity", "gain"]}},
         "/objective/label_smoothing/epsilon", ("< 0.5",), BOTH),
    *[Case("tasks_fit_ingredients", {**document, "objective": {"tasks": "parity"}}, document, pointer, None, BOTH)
      for pointer, document in ALONE.items()],
    Case("class_weights_fit", {"objective": {"class_weights": "balanced"}}, {}, "/objective/class_weights", ("none",),
         NUMBERS),
    Case("class_weights_fit", {"objective": {"class_weights": "balanced", "tasks": "parity"}},
         {"objective": {"class_weights": "balanced"}}, "/objective/class_weights", ("none",), BOTH),
    Case("class_weights_fit", {"objective": {"class_weights": {"1": 2, "one": 3}}},
         {"objective": {"class_weights": {"1": 2}}}, "/objective/class_weights/one", ("0", "1"), table_card(classes=2)),
    Case("class_weights_fit",
         {"objective": {"class_weights": "balanced"}, "dataset": {"id": "rows", "sampling": "balanced"}},
         {"objective": {"class_weights": {"1": 2}}, "dataset": {"id": "rows", "sampling": "balanced"}},
         "/objective/class_weights", ("none",)),
    Case("sampling_fits", {"dataset": {"id": "rows", "sampling": "balanced"}}, {}, "/dataset/sampling", ("none",),
         NUMBERS),
    Case("sampling_fits", {"dataset": {"id": "pictures", "sampling": "balanced"}, "objective": {"tasks": "parity"}},
         {"dataset": {"id": "pictures", "sampling": "balanced"}}, "/dataset/sampling", ("none",), BOTH),
    Case("sampling_fits", {"dataset": {"id": "rows", "sampling": "balanced"}, "curriculum": "self_paced"},
         {"dataset": {"id": "rows", "sampling": "balanced"}}, "/dataset/sampling", ("none",)),
    Case("sampling_fits", {"dataset": {"id": "rows", "sampling": "undersample"}},
         {"dataset": {"id": "rows", "sampling": "balanced"}}, "/dataset/sampling", ("none", "balanced")),
    Case("sampling_fits", {"dataset": {"id": "rows", "sampling": "undersample", "bootstrap": True}},
         {"dataset": {"id": "rows", "sampling": "undersample"}}, "/dataset/sampling", ("none", "balanced"), COUNTED),
    Case("sampling_fits",
         {"dataset": {**LATE, "sampling": "undersample", "split": {"type": "time", "column": "dogs"}}},
         {"dataset": {**LATE, "sampling": "undersample"}}, "/dataset/sampling", ("none", "balanced"),
         mixed_table.card()),
    Case("sampling_fits", {"dataset": {"id": "rows", "sampling": "balanced", "shuffle": "blocks"}},
         {"dataset": {"id": "rows", "sampling": "balanced"}}, "/dataset/shuffle", ("full",)),
    Case("classes_recur", GRADED, {**GRADED, "objective": "squared_error"}, "/dataset/target", card=GRADES),
    Case("a_class_is_in_all_folds", {"dataset": {"id": "rows", "folds": 6, "fold": 0}},
         {"dataset": {"id": "rows", "folds": 5, "fold": 0}}, "/dataset/folds", ("2 to 5", "null"), FEW_OF_EACH),
    Case("shuffle_fits", {"dataset": {"id": "rows", "shuffle": "blocks"}, "curriculum": "curriculum"},
         {"dataset": {"id": "rows", "shuffle": "blocks"}}, "/dataset/shuffle", ("full",)),
    Case("metrics_fit", {"evaluation": {"metrics": ["f1"]}}, {}, "/evaluation/metrics", ("[]",), NUMBERS),
    Case("metrics_fit", {"evaluation": {"metrics": ["f1", "f1"]}}, {"evaluation": {"metrics": ["f1", "auroc"]}},
         "/evaluation/metrics/1"),
    Case("metrics_fit", {"evaluation": {"metrics": "auroc"}}, {"evaluation": {"metrics": "f1"}}, "/evaluation/metrics",
         ("balanced_accuracy", "f1"), table_card(classes=1000, rows=500_000)),
    Case("metrics_fit", {"evaluation": "validation_auroc"}, {"evaluation": "validation_f1"}, "/evaluation/monitor",
         ("validation_loss", "validation_accuracy"), table_card(classes=1000, rows=500_000)),
    Case("monitor_exists", {"objective": {"tasks": "parity"}, "evaluation": "validation_gain_r2"},
         {"objective": {"tasks": "gain"}, "evaluation": "validation_gain_r2"}, "/evaluation/monitor",
         ("validation_loss", "validation_accuracy", "validation_main_loss", "validation_balanced_accuracy",
          "validation_f1", "validation_auroc", "validation_parity_loss", "validation_parity_accuracy",
          "validation_parity_balanced_accuracy", "validation_parity_f1", "validation_parity_auroc"), BOTH),
    Case("monitor_exists", {"evaluation": "validation_accuracy"}, {"evaluation": "validation_r2"},
         "/evaluation/monitor", ("validation_loss", "validation_mean_absolute_error", "validation_r2",
          "validation_root_mean_squared_error"), NUMBERS),
    Case("dropout_has_a_place", {"dropout": {"type": "dropout", "placement": "block_before_conv"}},
         {"dropout": {"type": "dropout", "placement": "classifier"}}, "/dropout/0/placement",
         ("hidden", "input", "classifier")),
    Case("dropout_has_a_place", {"dropout": [0.5, {"type": "dropout", "rate": 0.1, "placement": "hidden"}]},
         {"dropout": [0.5, {"type": "vanilla_dropout", "rate": 0.1, "placement": "hidden"}]}, "/dropout/1"),
    Case("norm_order_is_free", {"architecture": "wide_resnet", "norm": AFTER},
         {"architecture": "resnet", "norm": AFTER}, "/norm/placement", ("before_activation",), SMALL),
    Case("norm_order_is_free", {"architecture": "densenet", "norm": AFTER}, {"architecture": "densenet"},
         "/norm/placement", ("before_activation",), SMALL),
    Case("norm_order_is_free", {"architecture": "preresnet", "norm": AFTER}, {"architecture": "resnext", "norm": AFTER},
         "/norm/placement", ("before_activation",), SMALL),
    Case("regularizers_once", {"regularizer": ["l1", "l2", "l1"]}, {"regularizer": ["l1", "l2"]}, "/regularizer/2"),
    Case("warmup_ends", {"epochs": 3, "schedule": {"type": "cosine", "warmup_epochs": 3.5}},
         {"epochs": 3, "schedule": {"type": "cosine", "warmup_epochs": 3}}, "/schedule/warmup_epochs", ("<= 3",)),
    Case("warmup_ends", {"epochs": 3, "schedule": {"type": "plateau", "warmup_epochs": 3.5}},
         {"epochs": 3, "schedule": "one_cycle"}, "/schedule/warmup_epochs", ("<= 3",)),
    Case("stopping_fits_monitor", {"early_stopping": "generalization_loss", "evaluation": "validation_accuracy"},
         {"early_stopping": "successive_increases", "evaluation": "validation_accuracy"}, "/evaluation/monitor",
         ("validation_loss",)),
    Case("stopping_fits_monitor", {"early_stopping": "progress_quotient", "evaluation": "validation_r2"},
         {"early_stopping": "progress_quotient", "evaluation": "validation_mean_absolute_error"}, "/evaluation/monitor",
         ("validation_loss", "validation_mean_absolute_error", "validation_root_mean_squared_error"), NUMBERS),
    Case("batches_have_statistics", {"norm": "batch_norm", "batch_size": 1}, {"norm": "layer_norm", "batch_size": 1},
         "/batch_size", ("2", "4")),
    Case("batches_have_statistics", {"norm": "batch_norm", "batch_size": 9}, {"norm": "batch_norm", "batch_size": 10},
         "/batch_size", ("8", "10")),
    Case("batches_have_statistics", {"norm": "batch_renorm", "batch_size": 9},
         {"norm": "batch_renorm", "batch_size": 10}, "/batch_size", ("8", "10")),
    Case("batches_have_statistics", {"norm": CROSS, "batch_size": 9}, {"norm": CROSS, "batch_size": 10},
         "/batch_size", ("8", "10")),
    Case("self_pace_has_epochs", {"curriculum": "self_paced", "epochs": 1}, {"curriculum": "self_paced", "epochs": 2},
         "/curriculum/warmup_epochs", ("< 0.8",)),
    *[Case("steps_are_of_a_staircase", {"curriculum": {"type": "curriculum", "pacing": pacing, "steps": 4}},
           {"curriculum": {"type": "curriculum", "pacing": "step", "steps": 4}}, "/curriculum/steps", ("null",))
      for pacing in ("linear", "root")],
    Case("norm_is_not_compiled", {"norm": CROSS, "compile": "on"}, {"norm": "batch_norm", "compile": "on"}, "/compile",
         ("auto", "off")),
    Case("norm_follows_weights", {"architecture": "preresnet", "norm": CROSS},
         {"architecture": "resnet", "norm": CROSS}, "/norm/type",
         OTHER_NORMS, SMALL),
    Case("norm_follows_weights", {"architecture": "densenet", "norm": CROSS}, {"architecture": "fitnet", "norm": CROSS},
         "/norm/type", OTHER_NORMS, SMALL),
    Case("norm_follows_weights", {"architecture": "resnext", "norm": CROSS, "dropout": IN_BLOCK},
         {"architecture": "resnext", "norm": CROSS, "dropout": {**IN_BLOCK, "placement": "block_before_conv"}},
         "/dropout/0/placement", ("classifier", "block_before_conv", "input"), SMALL),
    Case("norm_follows_weights", {"norm": CROSS, "dropout": [IN_FRONT, "drop_connect"]},
         {"norm": CROSS, "dropout": [0.5, {"type": "drop_connect", "placement": "classifier"}]},
         "/dropout/1/placement", ("classifier",)),
    Case("groups_divide", {"architecture": {"type": "mlp", "hidden": [12, 16]}, "norm": "group_norm"},
         {"architecture": {"type": "mlp", "hidden": [24, 16]}, "norm": "group_norm"}, "/norm/num_groups",
         ("1", "2", "4")),
    Case("dropout_has_a_place",
         {"architecture": "resnet", "dropout": {"type": "spatial_dropout", "placement": "hidden"}},
         {"architecture": "resnet", "dropout": "spatial_dropout"}, "/dropout/0/placement",
         ("block_before_conv", "block_before_norm", "input"), SMALL),
    Case("dropout_has_layers",
         {"architecture": {"type": "cnn", "hidden": []}, "dropout": ["drop_connect", "spatial_dropout"]},
         {"architecture": "cnn", "dropout": ["drop_connect", "spatial_dropout"]}, "/dropout/0/placement",
         ("classifier",), SMALL),
    Case("norm_leaves_drop_connect_its_activation", {"norm": "layer_norm", "dropout": "drop_connect"},
         {"norm": "layer_norm", "dropout": {"type": "drop_connect", "placement": "classifier"}}, "/norm/placement",
         ("after_activation",)),
    Case("norm_leaves_drop_connect_its_activation", {"norm": "batch_norm", "dropout": "drop_connect"},
         {"norm": {"type": "batch_norm", "placement": "after_activation"}, "dropout": "drop_connect"},
         "/norm/placement", ("after_activation",)),
    Case("dropout_has_a_place", {"dropout": {"type": "drop_connect", "placement": "hidden"}, "architecture": "linear"},
         {"dropout": "drop_connect", "architecture": "linear"}, "/dropout/0/placement", ("classifier",)),
    Case("dropout_has_layers", {"dropout": "spatial_dropout"}, {"dropout": "gaussian_dropout"}, "/dropout/0/type",
         ("dropout", "vanilla_dropout", "gaussian_dropout")),
    Case("dropout_has_layers", {"dropout": "spatial_dropout"},
         {"dropout": {"type": "spatial_dropout", "placement": "input"}}, "/dropout/0/type",
         ("dropout", "vanilla_dropout", "gaussian_dropout"), SMALL),
    Case("norm_has_a_place", {"architecture": "linear", "norm": "layer_norm"}, {"architecture": "linear"},
         "/norm/type", ("none",)),
    Case("norms_have_statistics", {"architecture": {"type": "cnn", "hidden": 4}, "norm": "instance_norm"},
         {"architecture": {"type": "cnn", "hidden": []}, "norm": "instance_norm"}, "/norm/type",
         ("none", "batch_norm", "layer_norm", "group_norm"), SMALL),
    Case("norms_have_statistics", {"architecture": {"type": "mlp", "hidden": 8}, "norm": "group_norm"},
         {"architecture": {"type": "mlp", "hidden": 16}, "norm": "group_norm"}, "/norm/type", ("none", "batch_norm")),
    Case("norms_have_statistics", {"architecture": {"type": "mlp", "hidden": 1}, "norm": "layer_norm"},
         {"architecture": {"type": "mlp", "hidden": 1}, "norm": "batch_norm"}, "/norm/type", ("none", "batch_norm")),
    Case("pooling_leaves_pixels", {"architecture": {"type": "cnn", "channels": [8] * 4}},
         {"architecture": {"type": "cnn", "channels": [8] * 3}}, "/architecture/channels",
         ("at most 3 stages",), SMALL),
    Case("pooling_leaves_pixels", {"architecture": {"type": "fitnet", "stages": [4] * 5}},
         {"architecture": {"type": "fitnet", "stages": [4] * 4}}, "/architecture/stages", ("at most 4 stages",), SMALL),
    Case("pooling_leaves_pixels", {"architecture": "densenet"}, {"architecture": "wide_resnet"}, "/architecture/type",
         ("resnet", "preresnet", "wide_resnet", "resnext"), image_card(side=3)),
    Case("architecture_takes_the_data", {"architecture": "cnn"}, {"architecture": "rnn"}, "/architecture/type",
         ("linear", "mlp", "rnn"), STEPS),
    Case("augmentation_takes_the_data", {"architecture": "rnn", "augmentation": "horizontal_flip"},
         {"architecture": "rnn", "augmentation": "input_noise"}, "/augmentation/0", ("input_noise", "mixup"), STEPS),
    Case("architecture_takes_the_data", {"architecture": "rnn"}, {}, "/architecture/type", ("linear", "mlp")),
    Case("norm_fits_cell", {"architecture": "rnn", "norm": "instance_norm"},
         {"architecture": "rnn", "norm": "group_norm"}, "/norm/type", INSIDE_CELLS, STEPS),
    Case("norm_fits_cell", {"architecture": "rnn", "norm": "cross_iteration_batch_norm"},
         {"architecture": "rnn", "norm": "batch_norm"}, "/norm/type", INSIDE_CELLS, STEPS),
    Case("norm_order_is_free", {"architecture": "rnn", "norm": AFTER}, {"architecture": "rnn", "norm": "batch_norm"},
         "/norm/placement", ("before_activation",), STEPS),
    Case("groups_divide", {"architecture": {"type": "rnn", "hidden_size": 12}, "norm": "group_norm"},
         {"architecture": {"type": "rnn", "hidden_size": 24}, "norm": "group_norm"}, "/norm/num_groups",
         ("1", "2", "3", "4", "6"), STEPS),
    Case("norms_have_statistics", {"architecture": {"type": "rnn", "hidden_size": 8}, "norm": "group_norm"},
         {"architecture": {"type": "rnn", "hidden_size": 16}, "norm": "group_norm"}, "/norm/type",
         ("none", "batch_norm"), STEPS),
    Case("dropout_has_layers", {"architecture": "rnn", "dropout": "spatial_dropout"},
         {"architecture": "rnn", "dropout": "gaussian_dropout"}, "/dropout/0/type",
         ("dropout", "vanilla_dropout", "gaussian_dropout"), STEPS),
    Case("dropout_has_layers", {"architecture": "rnn", "norm": "layer_norm", "dropout": "drop_connect"},
         {"architecture": "rnn", "dropout": {"type": "drop_connect", "placement": "classifier"}},
         "/dropout/0/placement", ("classifier",), STEPS),
    Case("architecture_takes_the_data", {"architecture": "densenet"}, {"architecture": "linear"}, "/architecture/type",
         ("linear", "mlp")),
    Case("crops_fit", {"evaluation": {"crops": {}}}, {}, "/evaluation/crops", ("null",)),
    Case("crops_fit", {"evaluation": {"crops": {}}, "architecture": "rnn"}, {}, "/evaluation/crops", ("null",), STEPS),
    Case("crops_fit", {"evaluation": {"crops": [8, 7]}}, {"evaluation": {"crops": [8, 9]}},
         "/evaluation/crops/scales/1", (">= 8",), SMALL),
    # 4,096 pixels high, an image of 2 x 1,000 pixels would be 2,048,000 wide: 31 gibibytes.
    Case("crops_fit", {"evaluation": {"crops": [16, 4096]}}, {"evaluation": {"crops": [16, 732]}},
         "/evaluation/crops/scales/1", ("<= 732",), SMALL.model_copy(update={"shape": (1, 2, 1000)})),
    Case("diagnostics_once", {"diagnostics": ["sparsity", {"type": "sparsity", "rows": 8}]},
         {"diagnostics": ["sparsity", "clean_gap"]}, "/diagnostics/1"),
    Case("inconsistent_samples_needs_classes", {"diagnostics": "inconsistent_samples"},
         {"diagnostics": "train_eval_gap"},
         "/diagnostics/0", ("train_eval_gap", "clean_gap"), NUMBERS),
    Case("statistics_exist", {"evaluation": {"statistics": "population"}},
         {"evaluation": {"statistics": "population"}, "norm": "batch_renorm"}, "/evaluation/statistics", ("moving",)),
    Case("statistics_exist", {"norm": "layer_norm", "diagnostics": ["sparsity", "variance_shift"]},
         {"norm": "batch_norm", "diagnostics": "variance_shift"}, "/diagnostics/1",
         ("activation_drift", "train_eval_gap")),
    Case("statistics_exist", {"architecture": "rnn", "norm": "layer_norm", "diagnostics": "variance_shift"},
         {"architecture": "rnn", "norm": "batch_norm", "diagnostics": "variance_shift"}, "/diagnostics/0",
         ("activation_drift", "train_eval_gap"), STEPS),
    Case("monte_carlo_needs_dropout", {"evaluation": {"monte_carlo_samples": 20}},
         {"evaluation": {"monte_carlo_samples": 20}, "dropout": "drop_connect"}, "/evaluation/monte_carlo_samples",
         ("0",)),
    Case("activations_saturate", {"diagnostics": "saturation"},
         {"diagnostics": "saturation", "architecture": {"type": "mlp", "activation": "tanh"}}, "/diagnostics/0",
         ("sparsity", "gradient_norms")),
    Case("activations_saturate",
         {"diagnostics": "saturation", "architecture": {"type": "mlp", "activation": "identity"}},
         {"diagnostics": "sparsity", "architecture": {"type": "mlp", "activation": "identity"}}, "/diagnostics/0",
         ("sparsity", "gradient_norms")),
    Case("penalty_fits_model",
         {"architecture": {"type": "mlp", "activation": "identity"}, "regularizer": "dropout_penalty"},
         {"architecture": {"type": "mlp", "activation": "identity"}}, "/regularizer/0", ("architecture linear",)),
    Case("activations_saturate", {"diagnostics": "saturation", "dropout": "drop_connect",
                                  "architecture": {"type": "mlp", "activation": "tanh"}},
         {"diagnostics": "sparsity", "dropout": "drop_connect"}, "/diagnostics/0", ("sparsity", "gradient_norms")),
]  # fmt: skip

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{CASES.index(case)}")


@cases
def test_a_recipe_that_cannot_be_trained_is_refused(case: Case) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned(case.refused, case.card)
    [problem] = refused.value.problems
    assert (problem.pointer, problem.code, problem.allowed) == (case.pointer, "conflict", case.allowed)


@cases
def test_a_near_recipe_is_accepted(case: Case) -> None:
    planned(case.taken, case.card)


def by_check(document: Document, card: DatasetCard) -> dict[str, list[Problem]]:
    """The problems that each check of the first stage with problems finds."""
    recipe = read_recipe({"dataset": card.id, "architecture": "mlp", **document})
    data, sizes = resolve(recipe, card), split_sizes(card.counts, recipe.dataset.validation_fraction)
    context = Context(fill_in(recipe, data), card, data, sizes)
    for checks in CHECKS.values():
        found = {check.__name__: list(check(context)) for check in checks}
        if any(found.values()):
            break
    return found


@cases
def test_only_that_check_refuses(case: Case) -> None:
    assert [name for name, problems in by_check(case.refused, case.card).items() if problems] == [case.check]


def test_a_class_of_one_row_is_named_with_the_ways_out() -> None:
    [problem] = by_check(GRADED, GRADES)["classes_recur"]
    assert problem.message == (
        "1 class of 3 has a single row, which cannot both be learned and measured: '3'. Add rows of each, merge "
        "classes, or empty these cells of grade: rows without a label are left out; or set objective.loss to "
        "squared_error, which learns numbers"
    )


def test_a_class_of_one_row_is_taken_from_a_set_with_its_own_test_split() -> None:
    card = table_card(classes=3, rows=100).model_copy(update={"class_counts": (1, 49, 50)})
    [problem] = by_check({}, card)["classes_recur"]
    assert problem.pointer == "/dataset/id"
    assert "'0'. Add rows of each, merge classes, or leave these rows out of the data set" in problem.message
    assert planned({}, card.model_copy(update={"counts": SplitCounts(train=100, test=20)})).sizes.test == 20


def test_every_check_but_those_of_sources_has_a_case() -> None:
    assert {case.check for case in CASES} == {check.__name__ for check in (*CHECKS["recipe"], *CHECKS["layers"])}


@pytest.mark.parametrize("spread", ["all_classes", "wrong_classes"])
@pytest.mark.parametrize("tasks", [[], ["parity"]])
@pytest.mark.parametrize("epsilon", [0.1, 0.49, 0.51, 0.89, 0.91, 0.999])
def test_smoothing_is_accepted_while_the_true_class_of_every_target_has_the_largest_probability(
    epsilon: float, tasks: list[str], spread: str
) -> None:
    smoothing = {"epsilon": epsilon, "spread": spread}
    document: Document = {"objective": {"label_smoothing": smoothing, "tasks": tasks}}
    true_is_largest = True
    for classes in (10, 2) if tasks else (10,):
        others = classes if spread == "all_classes" else classes - 1
        targets = np.full(classes, epsilon / others)
        targets[0] = 1 - epsilon + (epsilon / classes if spread == "all_classes" else 0)
        assert targets.sum() == pytest.approx(1)
        true_is_largest &= bool(targets[0] > targets[1:].max())
    if true_is_largest:
        planned(document, BOTH)
    else:
        with pytest.raises(RecipeInvalid) as refused:
            planned(document, BOTH)
        assert {problem.pointer for problem in refused.value.problems} == {"/objective/label_smoothing/epsilon"}


@pytest.mark.parametrize(("side", "is_refused"), [(7, True), (8, False)])
def test_pooling_in_layers_of_any_name_is_counted(
    monkeypatch: pytest.MonkeyPatch, side: int, *, is_refused: bool
) -> None:
    shapes = [(3, side, side), (3, side // 2, side // 2), (3, side // 4, side // 4)]
    layers = Sequential(tuple((f"block{number}", Pool("max", shape)) for number, shape in enumerate(shapes)))
    monkeypatch.setattr("bakehouse.plan.context.build_layers", lambda *_: layers)
    monkeypatch.setattr("bakehouse.plan.context.with_outputs", lambda root, _: root)
    recipe = read_recipe({"dataset": SMALL.id, "architecture": "densenet"})
    data = resolve(recipe, SMALL)
    context = Context(recipe, SMALL, data, split_sizes(SMALL.counts, recipe.dataset.validation_fraction))
    messages = [problem.message for problem in pooling_leaves_pixels(context)]
    wanted = "pooling divides the image's side by 8 in densenet; it needs at least 8 x 8 pixels"
    assert messages == [wanted] * is_refused


def test_the_patch_for_photographs_gives_a_recipe_that_is_taken() -> None:
    document: Document = {"dataset": OWN, "augmentation": "horizontal_flip"}
    with pytest.raises(RecipeInvalid) as refused:
        planned(document, PICTURES)
    [problem] = refused.value.problems
    steps = [step.model_dump() for step in problem.patch or ()]
    patched = jsonpatch.apply_patch(read_recipe({"architecture": "linear", **document}).canonical(), steps)
    plan = planned(patched, PICTURES)
    assert plan.data.shape == (3, 8, 8)
    assert plan.recipe.augmentation[0].model_dump() == {"type": "scale_crop", "low": 10, "high": 18, "size": 8}


def test_problems_of_one_stage_come_together() -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned({"architecture": "cnn", "evaluation": "validation_r2", "regularizer": ["l1", "l1"]})
    assert len(refused.value.problems) == 3


def test_the_last_batch_may_have_two_rows() -> None:
    assert planned({"norm": "batch_norm", "batch_size": 638}, ROWS).sizes.train % 638 == 2


@pytest.mark.parametrize("case", [case for case in CASES if case.check == "batches_have_statistics"])
def test_the_batch_sizes_that_are_offered_are_taken(case: Case) -> None:
    for size in case.allowed or ():
        planned({"norm": "batch_norm", "batch_size": int(size)}, case.card)
