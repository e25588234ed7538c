"""Encodes a run as a row of a list: the JSON of `BriefRun`."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from bakehouse.model import JsonObject
from bakehouse.recipe.tokens import recipe_tokens
from bakehouse.runs.brief import BriefProgress, BriefRun
from bakehouse.runs.curve import Curve, sparkline
from bakehouse.runs.wire import to_json

MAX_BYTES = 600
# Other long texts are cut to this. Then the name and the ingredients are cut so that the whole row fits.
MAX_TEXT_BYTES = 32
LEAST_NAME_BYTES = 40
# No row has room for more ingredients, each of which takes 4 bytes or more.
MAX_TOKENS = MAX_BYTES // 4
KNOWN_RECIPES = 2048
AS_STORED = ("id", "name", "status", "request", "reason", "created_at")
READ = (*AS_STORED, "labels", "best", "progress", "queue", "verdict", "seconds")


def brief_json(members: Mapping[str, str], curve: str) -> bytes:
    """Returns the JSON of a `BriefRun`, from the members of a run and its curve, each as JSON."""
    # Only a few members are parsed: the models of a recipe take much longer than a row.
    run = {name: json.loads(members[name]) for name in READ}
    recipe = of_recipe(members["recipe"])
    best, verdict, queue = run["best"], run["verdict"], run["queue"]
    made: JsonObject = {
        **{name: run[name] for name in AS_STORED},
        "dataset": recipe.dataset,
        "architecture": recipe.architecture,
        "loss": recipe.loss,
        "best": best and brief_best(best),
        "gap": best and gap(best["metrics"]),
        "progress": {name: run["progress"][name] for name in BriefProgress.model_fields},
        **remaining(run, recipe.min_epochs),
        "queue": queue and queue["position"],
        "verdict": verdict and verdict["code"],
        "sparkline": levels(json.loads(curve), recipe.monitor),
        "ingredients": recipe.tokens,
        "labels": len(run["labels"]),
        "seconds": round(run["seconds"], 1),
    }
    return to_json(fit({name: made[name] for name in BriefRun.model_fields})).encode()


@dataclass(frozen=True)
class OfRecipe:
    """What a row shows of the recipe, or needs to know of it."""

    dataset: str
    architecture: str
    loss: str | None
    tokens: list[str]
    monitor: str
    min_epochs: int


# A page lists the same runs again and again. The keys are digests, because a recipe may have a mebibyte.
known_recipes: OrderedDict[bytes, OfRecipe] = OrderedDict()


def of_recipe(text: str) -> OfRecipe:
    """Returns what a row needs of a recipe, which is given as JSON."""
    key = blake2b(text.encode(), digest_size=16).digest()
    found = known_recipes.pop(key, None) or read_recipe(text)
    known_recipes[key] = found
    if len(known_recipes) > KNOWN_RECIPES:
        known_recipes.popitem(last=False)
    return found


def read_recipe(text: str) -> OfRecipe:
    recipe = json.loads(text)
    tokens = recipe_tokens(recipe)
    return OfRecipe(
        dataset=cut(recipe["dataset"]["id"], MAX_TEXT_BYTES),
        architecture=recipe["architecture"]["type"],
        loss=recipe["objective"]["loss"],
        tokens=tokens if len(tokens) <= MAX_TOKENS else [*tokens[:MAX_TOKENS], tokens[-1]],
        monitor=recipe["evaluation"]["monitor"],
        min_epochs=recipe["early_stopping"].get("min_epochs", 0),
    )


def brief_best(best: JsonObject) -> JsonObject:
    return {
        "epoch": best["epoch"],
        "monitor": cut(best["monitor"], MAX_TEXT_BYTES),
        "value": float(f"{best['value']:.6g}"),
    }


def gap(metrics: Mapping[str, float | None]) -> JsonObject | None:
    """Returns by how much the training metric is better than the validation metric; None if either is unknown."""
    for metric, sign in (("accuracy", 1), ("loss", -1)):
        trained, validated = metrics.get(f"train_{metric}"), metrics.get(f"validation_{metric}")
        if trained is not None and validated is not None:
            return {"metric": metric, "value": float(f"{sign * (trained - validated):.4g}")}
    return None


def remaining(run: JsonObject, min_epochs: int) -> JsonObject:
    """Returns how long a running run may still take."""
    progress = run["progress"]
    eta = progress["eta_seconds"] if run["status"] == "running" else None
    return {"eta_seconds": eta, "stops_in_seconds": None if eta is None else stops_in(progress, min_epochs, eta)}


def stops_in(progress: JsonObject, min_epochs: int, eta: float) -> float | None:
    """Returns the time until early stopping ends the run if no epoch is better; None if it waits for no number of
    epochs."""
    left = progress["epochs"] - progress["epoch"]
    if progress["patience"] is None or progress["epochs_since_best"] is None or left <= 0:
        return None
    waits = progress["patience"] - progress["epochs_since_best"]
    epochs = max(waits, min_epochs - progress["epoch"], 0)
    return float(round(eta * min(1.0, epochs / left), 1))


def levels(curve: JsonObject | None, monitor: str) -> list[int | None] | None:
    return None if curve is None else sparkline(Curve.model_construct(**curve), monitor)


def fit(row: JsonObject) -> JsonObject:
    """Cuts a long name, then the ingredients but for the seed, then the rest of the name, so that the row has at most
    600 bytes."""
    row = with_short_name(row, LEAST_NAME_BYTES)
    seed = [token for token in row["ingredients"][-1:] if token.startswith("seed ")]
    tokens = row["ingredients"][: len(row["ingredients"]) - len(seed)]
    while size(row) > MAX_BYTES and tokens:
        tokens = tokens[:-1]
        row = {**row, "ingredients": [*tokens, "…", *seed]}
    row = with_short_name(row, size("…"))
    # Only a row in which nearly everything else is as long as it can be comes to this.
    return row if size(row) <= MAX_BYTES else {**row, "sparkline": None, "ingredients": ["…"]}


def with_short_name(row: JsonObject, least: int) -> JsonObject:
    """Cuts the name to at least so many bytes."""
    excess = size(row) - MAX_BYTES
    if excess <= 0 or row["name"] is None:
        return row
    return {**row, "name": cut(row["name"], max(least, size(row["name"]) - excess))}


def cut(text: str, max_bytes: int) -> str:
    """Returns the text, or its beginning with an ellipsis if its JSON has more bytes."""
    if size(text) <= max_bytes:
        return text
    beginning = text[:max_bytes]
    while size(f"{beginning}…") > max_bytes:
        beginning = beginning[:-1]
    return f"{beginning}…"


def size(value: object) -> int:
    return len(to_json(value).encode())
