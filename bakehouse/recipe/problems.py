"""What is wrong with a document, where, and what would be right.

RecipeError
├── MalformedJson       not JSON, or JSON with two meanings
└── RecipeInvalid       JSON that is no recipe, or a recipe that cannot be trained
"""

from collections.abc import Iterable, Sequence

from bakehouse.model import Model

Path = Sequence[str | int]
OFF = (None, "none", {"type": "none"})
"""How a document says that it goes without."""


class Problem(Model):
    """One thing that is wrong."""

    pointer: str
    """JSON Pointer (RFC 6901) into what was posted."""
    code: str
    message: str
    allowed: tuple[str, ...] | None = None
    """What would be right, where it can be listed."""


class RecipeError(ValueError):
    """A document that cannot be used."""


class MalformedJson(RecipeError):
    """Text that is not one JSON document with one meaning."""


class RecipeInvalid(RecipeError):
    """A recipe that is refused; `problems` says why, all at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.pointer or '/'}: {problem.message}" for problem in self.problems))


def conflict(pointer: str, message: str, allowed: tuple[str, ...] | None = None) -> Problem:
    """Two parts of a recipe, or a recipe and its data, that do not go together."""
    return Problem(pointer=pointer, code="conflict", message=message, allowed=allowed)


def pointer(path: Path) -> str:
    """The JSON Pointer of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def posted_pointer(document: object, path: Path) -> str:
    """Where `path` of the canonical form stands in a document that may use short forms.

    The index in a list of one is skipped where one object stands for the list; the walk ends at a bare value,
    which stands for the whole variant, and at the first step that the document leaves out.
    """
    found: list[str | int] = []
    here = document
    for step in as_written(document, path):
        match here:
            case dict() if isinstance(step, int):
                continue
            case dict():
                here = here.get(step)
            case list() if isinstance(step, int):
                here = here[step] if step < len(here) else None
            case _:
                break
        found.append(step)
    return pointer(found)


def as_written(document: object, path: Path) -> Path:
    """A path into a family's list, by the document's own index: items that are off count there. Decay that is not
    in the list is that of `adamw`."""
    if not isinstance(document, dict) or len(path) < 2 or not isinstance(path[1], int):
        return path
    family, index = path[0], path[1]
    items = document.get(family)
    kept = [place for place, item in enumerate(items if isinstance(items, list) else [items]) if item not in OFF]
    if family == "regularizer" and index == len(kept):
        return ("optimizer", "weight_decay")
    return (family, kept[index], *path[2:]) if index < len(kept) else path


def path_of(pointer: str) -> list[str | int]:
    """The steps of a JSON Pointer; whole numbers are taken for list indexes."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return [int(step) if step.isdecimal() else step for step in steps]
