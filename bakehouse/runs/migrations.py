"""Reads records that an earlier version wrote: the only place that knows old names of stored fields."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from bakehouse.runs.record import Record

FIELDS = {"origin": "parent_run", "receipt": "provenance"}
"""Old names of a record's fields, and their present names (0.1.0)."""


def parse_record(text: str) -> Record:
    """A record from its JSON. Raises ValueError if it is no record of this or an earlier version."""
    document = from_json(text)
    if isinstance(document, dict) and FIELDS.keys() & document.keys():
        text = json.dumps(migrate_record(document))
    return Record.model_validate_json(text)


def migrate_record(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record under their present names.

    Old names stay in Redis beside what this version writes, because a write contains only fields that changed: where
    both names are there, the present one is newer.
    """
    record = {FIELDS.get(name, name): value for name, value in fields.items() if name in FIELDS}
    record |= {name: value for name, value in fields.items() if name not in FIELDS}
    return record
