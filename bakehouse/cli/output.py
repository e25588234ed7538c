"""What commands print on stdout: JSON with chosen fields, or a table with a lesson if it is empty."""

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import typer

from bakehouse.cli.formats import sanitize
from bakehouse.model import JsonObject, Model


def print_json(document: JsonObject, fields: str | None) -> None:
    """Prints a document, or only those of its fields that the user names."""
    print(to_json(pick([document], split_fields(fields))[0] if fields else document))


def print_json_list(items: Sequence[Model], fields: str | None) -> None:
    """Prints documents as `{"data": [...]}`, whole or only with the fields that the user names."""
    documents = [item.model_dump(mode="json") for item in items]
    print(to_json({"data": pick(documents, split_fields(fields)) if fields else documents}))


def to_json(document: JsonObject) -> str:
    return json.dumps(document, ensure_ascii=False)


def split_fields(text: str) -> list[list[str]]:
    """Parses `id,best.value` into paths."""
    return [name.strip().split(".") for name in text.split(",") if name.strip()]


def pick(documents: Sequence[JsonObject], paths: Iterable[Sequence[str]]) -> list[JsonObject]:
    """Returns the documents with only the fields at these paths. A field that no document has is refused."""
    picked: list[JsonObject] = [{} for _ in documents]
    for path in paths:
        check_path(documents, path)
        for document, target in zip(documents, picked, strict=True):
            copy_field(document, path, target)
    return picked


def copy_field(source: JsonObject, path: Sequence[str], target: JsonObject) -> None:
    """Copies the field at a path. What is null or absent on the way is copied as null."""
    name, *rest = path
    value = source.get(name)
    if rest and isinstance(value, dict):
        copy_field(value, rest, target.setdefault(name, {}))
    else:
        target[name] = value


def check_path(documents: Sequence[JsonObject], path: Sequence[str]) -> None:
    """Refuses a path that leads nowhere in all documents, and names the nearest field."""
    present: list[Any] = list(documents)
    for depth, name in enumerate(path):
        # A null may have any fields, as `best` before the first epoch.
        if any(value is None for value in present):
            return
        names = list(dict.fromkeys(name for value in present if isinstance(value, dict) for name in value))
        if present and name not in names:
            raise typer.BadParameter(unknown_field(".".join(path[:depth]), name, names), param_hint="--fields")
        present = [value[name] for value in present if isinstance(value, dict) and name in value]


def unknown_field(parent: str, name: str, names: Sequence[str]) -> str:
    """Returns the message for a name that is not among the fields of its parent."""
    where = parent or "the output"
    if not names:
        return sanitize(f"{where} has no fields, so there is no {name!r} in it")
    nearest = get_close_matches(name, names, n=1)
    guess = f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(names)}"
    return sanitize(f"{where} has no field {name!r}; {guess}")
