"""What commands print on stdout: JSON, whole or with chosen fields; and the width that there is for text."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TextIO

import typer

from bakehouse.cli.formats import sanitize
from bakehouse.model import JsonObject, Model

Tree = dict[str, "Tree"]
"""The wanted fields, each with the wanted fields inside it; none means all."""


def print_json(document: JsonObject, fields: str | None) -> None:
    """Prints a document, or only those of its fields that the user names."""
    print(to_json(pick([document], split_fields(fields))[0] if fields is not None else document))


def print_json_list(items: Sequence[Model], fields: str | None) -> None:
    """Prints documents as `{"data": [...]}`, whole or only with the fields that the user names."""
    documents = [item.model_dump(mode="json") for item in items]
    print(to_json({"data": pick(documents, split_fields(fields)) if fields is not None else documents}))


def rows_as_json(rows: Sequence[JsonObject], fields: str | None, **more: str) -> str:
    """Returns `{"data": [...]}` with the rows, whole or only with the fields that the user names."""
    return to_json({**more, "data": pick(rows, split_fields(fields)) if fields else list(rows)})


def to_json(document: JsonObject) -> str:
    return json.dumps(document, ensure_ascii=False)


def split_fields(text: str) -> list[list[str]]:
    """Parses `id,best.value` into paths."""
    paths = [name.strip().split(".") for name in text.split(",")]
    if not all(step for path in paths for step in path):
        raise typer.BadParameter(f"{sanitize(text)!r} is not of the form a,b.c", param_hint="--fields")
    return paths


def pick(documents: Sequence[JsonObject], paths: Iterable[Sequence[str]]) -> list[JsonObject]:
    """Returns the documents with only the fields at these paths. A field that no document has is refused."""
    wanted: Tree = {}
    for path in paths:
        check_path(documents, path)
        branch = wanted
        for name in path:
            branch = branch.setdefault(name, {})
    return [select(document, wanted) for document in documents]


def select(value: Any, wanted: Tree) -> Any:
    """Returns only the wanted fields of an object, or of each object in a list; all of any other value."""
    if isinstance(value, dict) and wanted:
        return {name: select(value.get(name), inner) for name, inner in wanted.items()}
    return [select(item, wanted) for item in value] if isinstance(value, list) else value


def check_path(documents: Sequence[JsonObject], path: Sequence[str]) -> None:
    """Refuses a path that leads nowhere in all documents, and names the nearest field."""
    present: list[Any] = list(documents)
    for depth, name in enumerate(path):
        # An empty list may have any fields, and so may a null, as `best` before the first epoch.
        if not present or any(value is None for value in present):
            return
        objects = [value for value in present if isinstance(value, dict)]
        names = list(dict.fromkeys(key for value in objects for key in value))
        if name not in names:
            raise typer.BadParameter(unknown_field(".".join(path[:depth]), name, names), param_hint="--fields")
        values = [value[name] for value in objects if name in value]
        present = [item for value in values for item in (value if isinstance(value, list) else [value])]


def unknown_field(parent: str, name: str, names: Sequence[str]) -> str:
    """Returns the message for a name that is not among the fields of its parent."""
    where = parent or "the output"
    if not names:
        return sanitize(f"{where} has no fields, so there is no {name!r} in it")
    nearest = get_close_matches(name, names, n=1)
    guess = f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(names)}"
    return sanitize(f"{where} has no field {name!r}; {guess}")


def output_width(stream: TextIO | None = None) -> int | None:
    """Returns the width of the terminal that a stream, by default stdout, writes to; None if it is not a terminal."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    # The size is unknown in some terminals, such as those of emulators without a window.
    own = os.get_terminal_size(stream.fileno()).columns or 80
    return shutil.get_terminal_size((own, 24)).columns
