"""Reads resume states that version 0.1.0 wrote, so that runs which it left unfinished resume."""

from bakehouse.model import JsonObject
from worker.model.state_dict import strip_prefix, with_prefix
from worker.types import Weights

PARTS = {"meter": "metrics", "drops": "schedule"}
"""Present name of each part of a state that had another name."""
ALWAYS = ("stopper", "metrics", "schedule", "curriculum", "drift", "cross_iteration_batch_norm")
"""Parts that every state has now; 0.1.0 left out those that the recipe does not use."""
LATER = ("statistics", "validation", "final", "history")
"""Parts that states of earlier versions do not have; a run that resumes from one measures from the first batch, and its
verdict knows only the later epochs."""


def migrate_state(position: JsonObject, tensors: Weights) -> tuple[JsonObject, Weights]:
    """Returns position and tensors in their present form."""
    # Version 0.1.0 wrote its parts at the top level of the state.
    if "parts" in position:
        return position, tensors
    known = {"step", "validated", "validated_step", "last", "made_by"}
    parts: JsonObject = {name: {} for name in ALWAYS}
    # These two parts cannot be loaded from an empty dict, so they get the state with which a run begins.
    parts["drift"] = {"epochs": []}
    parts["schedule"] = {"drops": 0, "least": None, "epochs_since_least": 0}
    parts |= {PARTS.get(name, name): migrate_part(name, part) for name, part in position.items() if name not in known}
    kept = {PARTS.get(name, name): strip_prefix(name, strip_prefix("kept", tensors)) for name in position}
    migrated = {name: tensor for name, tensor in tensors.items() if not name.startswith("kept.")}
    for name, part in kept.items():
        migrated |= with_prefix(f"parts.{name}", part)
    return {**{name: position[name] for name in ("step", "last", "made_by")}, "parts": parts}, migrated


def migrate_part(name: str, part: JsonObject) -> JsonObject:
    match name:
        case "drops":
            return {**{key: part[key] for key in ("least", "epochs_since_least")}, "drops": part["count"]}
        case "hints" if part["is_over"]:
            return {"is_finished": True, "step": part["step"], "epochs_done": part["epoch"]}
        case "hints":
            # 0.1.0 kept the best loss of hints itself; now an early stopper keeps it.
            stopper = {
                "best_epoch": part["best_epoch"],
                "best_value": part["best_loss"],
                "epochs_since_best": part["epoch"] - part["best_epoch"],
            }
            return {"is_finished": False, "step": part["step"], "epochs_done": part["epoch"], "stopper": stopper}
        case _:
            return part
