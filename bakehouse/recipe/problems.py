"""What is wrong with a document, where, and what would be right.

RecipeError
├── MalformedJson       not JSON, or JSON with two meanings
└── RecipeInvalid       JSON that is no recipe, or a recipe that cannot be trained
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from bakehouse.model import Model

Path = Sequence[str | int]
OFF = (None, "none", {"type": "none"})
"""The ways in which a document leaves a family out."""
MAX_NAME_CHARACTERS = 64


class Problem(Model):
    """One thing that is wrong with a request: with a field of its body, or with a parameter."""

    pointer: str | None = None
    """JSON Pointer (RFC 6901) into the body, where the body is wrong."""
    parameter: str | None = None
    """The query parameter, path parameter or header that is wrong."""
    code: str
    message: str
    allowed: tuple[str, ...] | None = None
    """What would be right, where it can be listed."""

    def __str__(self) -> str:
        where = self.pointer or self.parameter
        return f"{where}  {self.message}" if where else self.message


class RecipeError(ValueError):
    """A document that cannot be used."""


class MalformedJson(RecipeError):
    """Text that is not one JSON document with one meaning."""


class RecipeInvalid(RecipeError):
    """A recipe that is refused; `problems` are all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.pointer or '/'}: {problem.message}" for problem in self.problems))


def conflict(pointer: str, message: str, allowed: tuple[str, ...] | None = None) -> Problem:
    """Two parts of a recipe, or a recipe and its data, that do not fit together."""
    return Problem(pointer=pointer, code="conflict", message=message, allowed=allowed)


def nearest_names(given: object, names: Iterable[str], *, count: int = 1) -> list[str]:
    """The names that a misspelt one may have meant, the nearest first. Upper and lower case count as the same."""
    word = str(given)[:MAX_NAME_CHARACTERS].lower()
    by_lower = {name.lower(): name for name in names}
    within = [name for name in by_lower if len(word) > 2 and word in name]
    near = get_close_matches(word, by_lower, n=count, cutoff=0.5) or within[:count]
    return [by_lower[name] for name in near]


def did_you_mean(given: object, names: Iterable[str]) -> str:
    """The end of a message: a suggestion, if one name is near."""
    return "".join(f"; did you mean {name!r}?" for name in nearest_names(given, names))


def pointer(path: Path) -> str:
    """The JSON Pointer of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def posted_pointer(document: object, path: Path) -> str:
    """The pointer of a path of the canonical form in a document that may use short forms.

    The index in a list of one is left out where one object is short for the list. The walk ends at a bare value, which
    is short for the whole variant, and at the first step that the document leaves out.
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
    """A path into a family's list with the index of the document, which also counts items that are off. Decay that is
    not in the list is that of `adamw`."""
    if not isinstance(document, dict) or len(path) < 2 or not isinstance(path[1], int):
        return path
    family, index = path[0], path[1]
    items = document.get(family)
    listed = items if isinstance(items, list) else [items]
    kept = [position for position, item in enumerate(listed) if item not in OFF]
    if family == "regularizer" and index == len(kept):
        return ("optimizer", "weight_decay")
    return (family, kept[index], *path[2:]) if index < len(kept) else path


def path_of(pointer: str) -> list[str | int]:
    """The steps of a JSON Pointer; whole numbers are read as list indexes."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return [int(step) if step.isdecimal() else step for step in steps]
