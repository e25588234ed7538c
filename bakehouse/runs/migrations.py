"""Reads records that an earlier version wrote: the only place that knows old names of stored fields."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from bakehouse.runs.record import Record

FIELDS = {"origin": "parent_run", "receipt": "provenance"}
"""Old names of a record's fields, and their present names (0.1.0)."""
NORM_FIELDS = {"plain_until": "burn_in", "r_max_at": "r_max_from", "d_max_at": "d_max_from"}
"""The same of the norm of a recipe."""


def parse_record(text: str) -> Record:
    """A record from its JSON. Raises ValueError if it is no record of this or an earlier version."""
    document = from_json(text)
    if isinstance(document, dict) and (migrated := migrate_record(document)) != document:
        text = json.dumps(migrated)
    return Record.model_validate_json(text)


def migrate_record(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record under their present names.

    Old names stay in Redis beside what this version writes, because a write contains only fields that changed: where
    both names are there, the present one is newer.
    """
    record = {FIELDS.get(name, name): value for name, value in fields.items() if name in FIELDS}
    record |= {name: value for name, value in fields.items() if name not in FIELDS}
    if "recipe" in record:
        record["recipe"] = migrate_recipe(record["recipe"])
    return record


def migrate_recipe(document: Any) -> Any:
    """A canonical recipe as this version writes it; anything else is left as it is."""
    if not isinstance(document, dict):
        return document
    return {name: migrate_ingredient(name, value) for name, value in document.items()}


def migrate_ingredient(name: str, value: Any) -> Any:
    match name, value:
        case "norm", dict():
            return {NORM_FIELDS.get(field, field): item for field, item in value.items()}
        case "curriculum", {"pacing": "linear" | "root"}:
            # 0.1.0 wrote the steps of the pacing `step` into every curriculum.
            return {**value, "steps": None}
        case _:
            return value
