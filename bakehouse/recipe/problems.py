"""Problems of a document: where each is, what is wrong, and which values are allowed.

RecipeError
├── MalformedJson       not JSON, or JSON with two meanings
│   └── DuplicateKey    an object has a key twice
└── RecipeInvalid       JSON that is not a recipe, or a recipe that cannot be trained
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from bakehouse.model import Model
from bakehouse.recipe.patch import PatchStep

Path = Sequence[str | int]
OFF = (None, "none", {"type": "none"})
"""Values in a recipe that switch a family off."""
MAX_NAME_CHARACTERS = 64


class Problem(Model):
    """A fault of a request, either in its body or in a parameter."""

    pointer: str | None = None
    """JSON Pointer (RFC 6901) to the fault, if it is in the body."""
    parameter: str | None = None
    """Name of the query parameter, path parameter or header, if the fault is there."""
    code: str
    message: str
    allowed: tuple[str, ...] | None = None
    """Allowed values, names or ranges, if they can be listed."""
    patch: tuple[PatchStep, ...] | None = None
    """JSON Patch that, applied to the canonical recipe, settles the problem, if one does."""

    def __str__(self) -> str:
        where = self.pointer or self.parameter
        return f"{where}  {self.message}" if where else self.message


class RecipeError(ValueError):
    """Raised if a document cannot be used as a recipe."""


class MalformedJson(RecipeError):
    """Raised if a text is not JSON, or is JSON with two meanings."""


class DuplicateKey(MalformedJson):
    """Raised if an object of a document has a key twice; `problem` says where."""

    def __init__(self, path: Sequence[str | int]) -> None:
        key = json.dumps(str(path[-1])[:MAX_NAME_CHARACTERS])
        message = f"is there twice: keep one, or rename the other to another key than {key}"
        self.problem = Problem(pointer=pointer(path), code="duplicate_key", message=message)
        super().__init__(f"duplicate key {key} in an object")


class RecipeInvalid(RecipeError):
    """Raised if a recipe is refused; `problems` lists the reasons."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.pointer or '/'}: {problem.message}" for problem in self.problems))


def conflict(pointer: str, message: str, allowed: tuple[str, ...] | None = None) -> Problem:
    """Returns the problem that two parts of a recipe, or a recipe and its data, do not fit together."""
    return Problem(pointer=pointer, code="conflict", message=message, allowed=allowed)


def listed_twice(pointer: str, types: Sequence[str]) -> Iterator[Problem]:
    """Yields a problem for each item of a list whose type is in the list before it."""
    for index, name in enumerate(types):
        if name in types[:index]:
            yield conflict(f"{pointer}/{index}", f"{name} is listed twice")


def nearest_names(given: object, names: Iterable[str], *, count: int = 1, cutoff: float = 0.5) -> list[str]:
    """Returns the names that a misspelt name may have meant, the nearest first. Upper and lower case are equal.

    `cutoff` is the least similarity, from 0 to 1; a name that contains the given one is near at any cutoff up to 0.5.
    """
    word = str(given)[:MAX_NAME_CHARACTERS].lower()
    by_lower = {name.lower(): name for name in names}
    # One or two letters are part of almost every name.
    within = [name for name in by_lower if cutoff <= 0.5 and len(word) > 2 and word in name]
    near = get_close_matches(word, by_lower, n=count, cutoff=cutoff) or within[:count]
    return [by_lower[name] for name in near]


def did_you_mean(given: object, names: Iterable[str]) -> str:
    """Returns the nearest name as the end of a message, or an empty text if no name is near."""
    return "".join(f"; did you mean {name!r}?" for name in nearest_names(given, names))


def pointer(path: Path) -> str:
    """Returns the JSON Pointer of a path."""
    # `~` is escaped first; otherwise the `~` of `~1` would be escaped again.
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def posted_pointer(document: object, path: Path) -> str:
    """Translates a path in the canonical recipe to a pointer into the posted document, which may use short forms.

    The index 0 is left out if the document has one object instead of a list. The pointer ends at a bare value, which is
    short for a whole variant, and at the first field that the document does not contain.
    """
    found: list[str | int] = []
    node = document
    for step in as_written(document, path):
        match node:
            case dict() if isinstance(step, int):
                continue
            case dict():
                node = node.get(step)
            case list() if isinstance(step, int):
                node = node[step] if step < len(node) else None
            case _:
                break
        found.append(step)
    return pointer(found)


def as_written(document: object, path: Path) -> Path:
    """Replaces the index in a family's list by the index in the document, which also counts items that are off. Decay
    that is not in the document's list comes from `adamw`."""
    if not isinstance(document, dict) or len(path) < 2 or not isinstance(path[1], int):
        return path
    family = path[0]
    index = path[1]
    items = document.get(family)
    listed = items if isinstance(items, list) else [items]
    kept = [position for position, item in enumerate(listed) if item not in OFF]
    if family == "regularizer" and index == len(kept):
        return ("optimizer", "weight_decay")
    return (family, kept[index], *path[2:]) if index < len(kept) else path


def path_of(pointer: str) -> list[str | int]:
    """Splits a JSON Pointer into its steps; whole numbers are read as list indexes."""
    # RFC 6901 asks for this order, in which `~01` becomes `~1` and not `/`.
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return [int(step) if step.isdecimal() else step for step in steps]
