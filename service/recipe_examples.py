"""The recipes, changes and data sets with which `/docs` fills in the bodies of requests. Tests post each of them to a
service."""

from bakehouse.model import JsonObject

FIRST_RUN: JsonObject = {
    "name": "first run",
    "dataset": "digits",
    "architecture": "mlp",
    "norm": "batch_norm",
    "dropout": 0.5,
    "epochs": 100,
    "early_stopping": 6,
}
MOST_FAMILIES: JsonObject = {
    "name": "most families, briefly",
    "labels": {"study": "docs"},
    "seed": 0,
    "dataset": {"id": "digits", "normalization": "standardize", "validation_fraction": 0.2},
    "architecture": {"type": "cnn", "channels": [16, 32], "hidden": [64]},
    "norm": {"type": "group_norm", "num_groups": 4},
    "dropout": [{"type": "dropout", "rate": 0.2, "placement": "classifier"}],
    "augmentation": ["random_crop", {"type": "input_noise", "std": 0.1}],
    "regularizer": [{"type": "max_norm", "maxnorm": 3}],
    "objective": {"label_smoothing": {"epsilon": 0.1, "spread": "wrong_classes"}},
    "optimizer": "adamw",
    "schedule": {"type": "cosine", "warmup_epochs": 1},
    "batch_size": 64,
    "epochs": 8,
    "early_stopping": {"type": "patience", "patience": 5},
    "evaluation": {"monitor": "validation_loss"},
    "diagnostics": ["gradient_norms", "train_eval_gap"],
}
ABLATION: JsonObject = {
    "name": "what helps on digits",
    "recipe": {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.3, "epochs": 4},
    "seeds": 3,
    "design": {"type": "ablation"},
}
GRID: JsonObject = {
    "name": "norm and dropout",
    "recipe": {"dataset": "digits", "architecture": "mlp", "epochs": 30},
    "seeds": 5,
    "design": {"type": "grid", "axes": {"/norm": ["none", "batch_norm", "layer_norm"], "/dropout": [0, 0.3]}},
    "metric": "validation_accuracy",
}
OWN_CSV: JsonObject = {
    "name": "own table",
    "dataset": {"id": "houses", "target": "price"},
    "architecture": {"type": "mlp", "hidden": [64, 64]},
    "regularizer": {"type": "weight_decay", "coefficient": 0.01},
    "epochs": 100,
    "early_stopping": 10,
}
BODIES: dict[str, dict[str, JsonObject]] = {
    "create_run": {
        "first_run": {"summary": "A first run, on built-in data", "value": FIRST_RUN},
        "most_families": {"summary": "Most families of ingredients at once", "value": MOST_FAMILIES},
        "own_csv": {
            "summary": "Your own CSV file: houses.csv with a column price, in the folder BAKEHOUSE_DATA",
            "value": OWN_CSV,
        },
    },
    "create_experiment": {
        "ablation": {"summary": "What each ingredient is worth, over three seeds", "value": ABLATION},
        "grid": {"summary": "All combinations of a norm and a dropout, over five seeds", "value": GRID},
    },
    "ablate_run": {"seeds": {"summary": "With three seeds", "value": {"seeds": 3}}},
    "extend_experiment": {"seeds": {"summary": "Two more seeds", "value": {"seeds": [3, 4]}}},
    "create_ensemble": {
        "recipe": {"summary": "The mean of all seeds of an arm", "value": {"arm": "recipe", "mean": "arithmetic"}},
    },
    "ask_experiment_what_if": {
        "patience": {"summary": "Two patiences", "value": {"early_stopping": [2, 5]}},
    },
    "change_experiment": {
        "limit": {"summary": "At most two runs at a time", "value": {"max_running": 2}},
    },
    "create_dataset": {
        "houses": {
            "summary": "A table that is sent in parts",
            "value": {"name": "houses", "filename": "houses.csv", "bytes": 2739},
        }
    },
    "predict": {
        "rows": {
            "summary": "Two irises, for a model of iris",
            "value": {"rows": [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3]]},
        },
        "columns": {
            "summary": "A row by the names of its columns, with an empty cell",
            "value": {"rows": [{"area": 80, "rooms": None, "city": "Bern"}]},
        },
    },
    "preview_recipe": {
        "most_families": {"summary": "Digits, moved and with noise", "value": MOST_FAMILIES},
    },
    "fork_run": {
        "lower_lr": {"summary": "Train further with a lower rate", "value": {"optimizer": {"type": "adam", "lr": 1e-4}}}
    },
    "ask_what_if": {
        "patience": {
            "summary": "Two patiences and one of Prechelt's criteria",
            "value": {"early_stopping": [3, 5, {"type": "successive_increases", "strips": 2}]},
        }
    },
    "sign_in": {
        "key": {
            "summary": "The key that `bakehouse keys create` has printed",
            "value": {"key": "key_8qk2m5v0d3xw.SECRET"},
        }
    },
    "change_run": {
        "rename": {"summary": "A new name and a label", "value": {"name": "baseline", "labels": {"study": "docs"}}}
    },
}
"""The named examples of each operation with a body."""
