"""The kinds of runs that are put under fire: between them they have every kind of state that a resume must restore."""

from typing import Any

Document = dict[str, Any]

DIGITS: Document = {"id": "digits", "validation_fraction": 0.5}
SMALL_CNN: Document = {"type": "cnn", "channels": [8], "hidden": [16]}
# Nothing here depends on the clock, so that the number of steps is the same however often a run is interrupted.
NO_EARLY_STOP: Document = {"early_stopping": "none"}

SOURCE_KIND = "source"
ANY_SOURCE: Document = {"run": "run_source222222", "epoch": 1, "sha256": "0" * 64}
SOURCE: Document = {
    "dataset": DIGITS,
    "architecture": {"type": "cnn", "channels": [6, 8], "hidden": [16]},
    "norm": "batch_norm",
    "epochs": 2,
}


def kinds(source: Document, *, length: float = 1.0) -> dict[str, Document]:
    """Returns a recipe of each kind, by name; `source` names the checkpoint that some build on, and `length` scales
    the number of epochs: at 1 a recipe trains for about a second on one core."""
    cnn: Document = {"dataset": DIGITS, "architecture": SMALL_CNN, "batch_size": 64, **NO_EARLY_STOP}
    mlp: Document = {
        "dataset": DIGITS,
        "architecture": {"type": "mlp", "hidden": [128, 64]},
        "batch_size": 32,
        **NO_EARLY_STOP,
    }
    recipes: dict[str, Document] = {
        "adam": {**mlp, "dropout": 0.5, "optimizer": "adam", "epochs": 90},
        "plateau": {
            **mlp,
            "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True},
            "schedule": {"type": "plateau", "patience": 2, "factor": 0.5},
            "epochs": 110,
        },
        "cosine": {
            **mlp,
            "optimizer": {"type": "rmsprop", "momentum": 0.9, "centered": True, "lr": 1e-4},
            "schedule": {"type": "cosine", "warmup_epochs": 2},
            "epochs": 80,
        },
        "early_stopping": {
            **mlp,
            "dropout": 0.5,
            "optimizer": {"type": "adam", "lr": 2e-4},
            "early_stopping": {"type": "patience", "patience": 40},
            "epochs": 90,
        },
        "curriculum": {**mlp, "curriculum": {"type": "curriculum", "pacing": "step", "steps": 5}, "epochs": 90},
        # It grows so slowly that rows are left out for most of the run.
        "self_paced": {**mlp, "curriculum": {"type": "self_paced", "growth": 1.005}, "epochs": 60},
        "hints": {
            **cnn,
            "architecture": {"type": "fitnet", "stages": [[4, 4], [4, 4]], "hidden": 8},
            "norm": "batch_norm",
            "pretraining": {"type": "hints", "teacher": source, "hint_layer": 1, "guided_layer": 2, "epochs": 14},
            "epochs": 14,
        },
        "transfer": {
            **cnn,
            "architecture": SOURCE["architecture"],
            "norm": "batch_norm",
            "pretraining": {"type": "transfer", "checkpoint": source, "layers": 2},
            "epochs": 40,
        },
        "distillation": {**mlp, "objective": {"distillation": {"teacher": source}}, "epochs": 40},
        "recurrent": {
            "dataset": {"id": "digits_sequence", "validation_fraction": 0.5},
            "architecture": {"type": "rnn", "cell": "lstm", "hidden_size": 16},
            "dropout": 0.2,
            "batch_size": 64,
            **NO_EARLY_STOP,
            "epochs": 60,
        },
        "cross_iteration": {**cnn, "norm": {"type": "cross_iteration_batch_norm", "window": 4}, "epochs": 18},
        "renorm": {
            **cnn,
            "norm": {"type": "batch_renorm", "burn_in": 0.2},
            "augmentation": [{"type": "input_noise"}, {"type": "mixup"}],
            "epochs": 40,
        },
        "population": {
            **cnn,
            "norm": "batch_norm",
            "dropout": 0.2,
            "evaluation": {"statistics": "population"},
            "epochs": 35,
        },
        "adversarial": {**cnn, "objective": {"adversarial": {"epsilon": 0.05, "steps": 2}}, "epochs": 18},
        "monte_carlo": {**mlp, "dropout": 0.5, "evaluation": {"monte_carlo_samples": 100}, "epochs": 70},
        "tasks": {
            **cnn,
            "norm": "batch_norm",
            "objective": {"tasks": ["parity"]},
            "regularizer": [{"type": "l1", "coefficient": 1e-4}],
            "epochs": 35,
        },
        "diagnostics": {
            **mlp,
            "dropout": "drop_connect",
            "diagnostics": ["gradient_norms", "activation_drift"],
            "epochs": 7,
        },
    }
    return {name: {**recipe, "epochs": max(2, round(recipe["epochs"] * length))} for name, recipe in recipes.items()}


ALL_KINDS = tuple(kinds(ANY_SOURCE))
