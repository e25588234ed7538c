"""Encodes a run as a row of a list: the JSON of `BriefRun`."""

import json
from collections.abc import Mapping

from bakehouse.model import JsonObject
from bakehouse.runs.brief import BriefProgress, BriefRun
from bakehouse.runs.wire import to_json

MAX_BYTES = 600
# Other long texts are cut to this, and then the name is cut so that the whole run fits, whatever its numbers are.
MAX_TEXT_BYTES = 72


def brief_json(members: Mapping[str, str]) -> bytes:
    """Returns the JSON of a `BriefRun`, from the members of a run, each as JSON."""
    # Only a few members are parsed: the models of a recipe take much longer than a row.
    values = {name: json.loads(members[name]) for name in (*BriefRun.model_fields, "recipe") if name in members}
    row: JsonObject = {name: values.get(name) for name in BriefRun.model_fields}
    row["dataset"] = cut(values["recipe"]["dataset"]["id"], MAX_TEXT_BYTES)
    row["architecture"] = values["recipe"]["architecture"]["type"]
    row["progress"] = {name: values["progress"][name] for name in BriefProgress.model_fields}
    if best := values["best"]:
        row["best"] = {**best, "monitor": cut(best["monitor"], MAX_TEXT_BYTES)}
        del row["best"]["metrics"]
    if row["name"] is not None:
        row["name"] = cut(row["name"], MAX_BYTES - size({**row, "name": 0}) + 1)
    return to_json(row).encode()


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
