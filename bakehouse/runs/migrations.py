"""Reads records that an earlier version wrote. Only this module knows the old names of stored fields."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from bakehouse.model import JsonObject
from bakehouse.runs.record import Record

FIELDS = {"origin": "parent_run", "receipt": "provenance"}
"""Present name of each field of a record that had another name in version 0.1.0."""
EARLIER = {*FIELDS, "metrics"}
"""Fields that only earlier versions wrote."""
REMOVED = {"claimed_ms"}
"""Fields of earlier records that have no successor."""
NORM_FIELDS = {"plain_until": "burn_in", "r_max_at": "r_max_from", "d_max_at": "d_max_from"}
"""Present name of each field of a recipe's norm that had another name in version 0.1.0."""


def parse_record(text: str) -> Record:
    """Returns the record in a JSON text. Raises ValueError if it is not a record of this or an earlier version."""
    document = from_json(text)
    if isinstance(document, dict) and (migrated := migrate_record(document)) != document:
        text = json.dumps(migrated)
    return Record.model_validate_json(text)


def migrate_record(fields: Mapping[str, Any]) -> JsonObject:
    """Returns the fields of a record under their present names.

    A write contains only changed fields, so the old names stay in Redis beside the present ones. If a field has both
    names, the value under the present one is newer.
    """
    record = {FIELDS.get(name, name): value for name, value in fields.items() if name in FIELDS}
    # The present names come second, so that their values replace those under the old names.
    record |= {name: value for name, value in fields.items() if name not in FIELDS.keys() | REMOVED}
    if "metrics" in record:
        record = with_best_and_last(record)
    if "recipe" in record:
        record["recipe"] = migrate_recipe(record["recipe"])
    if "advice" in record:
        record["advice"] = migrate_advice(record["advice"])
    return record


def with_best_and_last(record: JsonObject) -> JsonObject:
    """Returns the fields of a record whose `metrics` are of two models: those of the last epoch, and those of the best
    weights on the test split, as version 0.1.0 wrote them."""
    metrics = record["metrics"]
    others = {name: value for name, value in record.items() if name != "metrics"}
    # A later version has written the present fields beside the old one.
    if "last" in record or not metrics:
        return others
    tested = {name: value for name, value in metrics.items() if name.startswith("test_")}
    last = {name: value for name, value in metrics.items() if name not in tested}
    best = record.get("best")
    if best is not None:
        saved = {item["epoch"]: item["metrics"] for item in record.get("checkpoints", ())}
        best = {**best, "metrics": {**saved.get(best["epoch"], {}), **tested}}
    return {**others, "best": best, "last": {"epoch": record["logged_epoch"], "metrics": last}}


def migrate_recipe(document: Any) -> Any:
    """Returns a canonical recipe as this version writes it; returns any other document unchanged."""
    if not isinstance(document, dict):
        return document
    return {name: migrate_ingredient(name, value) for name, value in document.items()}


def migrate_ingredient(name: str, value: Any) -> Any:
    match name, value:
        case "norm", dict():
            return {NORM_FIELDS.get(field, field): item for field, item in value.items()}
        case "curriculum", {"pacing": "linear" | "root"}:
            # 0.1.0 wrote `steps`, which only the pacing `step` uses, into every curriculum.
            return {**value, "steps": None}
        case _:
            return value


def migrate_advice(advice: Any) -> Any:
    """Returns advice whose pointers and patches fit the migrated recipe; returns any other document unchanged."""
    return [migrate_finding(finding) for finding in advice] if isinstance(advice, list) else advice


def migrate_finding(finding: Any) -> Any:
    match finding:
        case {"pointer": str(pointer), "patch": list(patch)}:
            return {
                **finding,
                "pointer": migrate_pointer(pointer),
                "patch": [migrate_patch_step(step) for step in patch],
            }
        case _:
            return finding


def migrate_patch_step(step: Any) -> Any:
    match step:
        case {"path": str(path), "value": value}:
            # A value is an ingredient if the path is the name of its family; deeper paths have no old values.
            value = migrate_ingredient(path.removeprefix("/"), value)
            return {**step, "path": migrate_pointer(path), "value": value}
        case _:
            return step


def migrate_pointer(pointer: str) -> str:
    family, _, field = pointer.rpartition("/")
    return f"{family}/{NORM_FIELDS.get(field, field)}" if family == "/norm" else pointer
