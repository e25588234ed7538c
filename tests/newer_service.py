"""Runs as a newer service would store them: with an ingredient, a field and texts that this version does not know."""

import json

from bakehouse.model import JsonObject
from bakehouse.runs.store import Store

UNKNOWN_NORM = {"type": "quantum_norm", "spin": 0.5}


def store_unknown_ingredient(store: Store, run_id: str) -> None:
    """Changes the stored recipe of a run."""
    change_recipe(store, run_id, {"norm": UNKNOWN_NORM})


def store_unknown_field(store: Store, run_id: str) -> None:
    change_recipe(store, run_id, {"patchwork": {"squares": 4}})


def store_unknown_status(store: Store, run_id: str) -> None:
    """Changes the stored status, and the reason of its latest change."""
    change_run(store, run_id, {"status": "archived", "reason": "tidied_up"})


def change_recipe(store: Store, run_id: str, changes: JsonObject) -> None:
    change_run(store, run_id, {"recipe": store.record(run_id).recipe.canonical() | changes})


def change_run(store: Store, run_id: str, fields: JsonObject) -> None:
    """Writes fields of a run into Redis, where each is JSON."""
    key = store._keys.run(run_id)
    store._redis.hset(key, mapping={name: json.dumps(value) for name, value in fields.items()})
