"""References from a recipe to the saved weights of another run."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, part, variants
from bakehouse.recipe.problems import Path, pointer


class SavedCheckpoint(Ingredient):
    """A saved checkpoint of a finished run; a bare string is the run's id and means its best checkpoint.

    The digest is filled in when the recipe is submitted, so that the canonical recipe names exactly these weights.

    Default: the run's best epoch.
    """

    main: ClassVar[str | None] = "run"
    hints: ClassVar[Mapping[str, str]] = {
        "arm": 'only in an experiment, {"arm": NAME} alone is the best checkpoint of that arm\'s run',
    }

    run: str = Field(pattern=r"^run_[0-9a-z]{12}$")
    """The run's id. The run cannot be deleted while another run that builds on it is kept."""
    epoch: int | None = Field(default=None, ge=1)
    """Epoch of the checkpoint; null means the run's best epoch."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Digest of `model.safetensors`. If it is null, it is filled in; a digest that the run does not have is refused."""

    @property
    def digest(self) -> str:
        """The checkpoint's sha256, which every canonical recipe contains."""
        assert self.sha256 is not None, "a canonical recipe names its checkpoints by digest"
        return self.sha256


CheckpointPart = Annotated[SavedCheckpoint, part(SavedCheckpoint)]
"""Type of a field that names a checkpoint."""

Part = TypeVar("Part", bound=Ingredient)


def with_checkpoints(whole: Part, change: Callable[[SavedCheckpoint, Path], SavedCheckpoint]) -> Part:
    """Returns a recipe, or a part of a recipe, with every checkpoint replaced by `change(checkpoint, path)`."""
    return replaced(whole, change, ())  # type: ignore[no-any-return]


def replaced(value: object, change: Callable[[SavedCheckpoint, Path], SavedCheckpoint], path: Path) -> Any:
    """Does the same as `with_checkpoints`, for any value in a recipe."""
    match value:
        case SavedCheckpoint():
            return change(value, path)
        case Ingredient():
            fields = ((name, getattr(value, name)) for name in fields_with_checkpoints(type(value)))
            new = {name: replaced(inner, change, (*path, name)) for name, inner in fields}
            # Unchanged fields are left out, so that model_fields_set still tells which ones the user gave.
            changed = {name: inner for name, inner in new.items() if inner != getattr(value, name)}
            return value.model_copy(update=changed) if changed else value
        case tuple():
            return tuple(replaced(inner, change, (*path, index)) for index, inner in enumerate(value))
        case _:
            return value


# To walk through all fields of recipes that name no checkpoint took a seventh of the time of a large experiment.
@cache
def fields_with_checkpoints(kind: type[Ingredient]) -> tuple[str, ...]:
    """Returns the names of an ingredient's fields that can contain checkpoints, at any depth."""
    return tuple(name for name, field in kind.model_fields.items() if can_contain_checkpoints(field.annotation))


def can_contain_checkpoints(annotation: object) -> bool:
    kinds = variants(annotation).values()
    return any(kind is SavedCheckpoint or bool(fields_with_checkpoints(kind)) for kind in kinds)


def checkpoints_in(whole: Ingredient) -> dict[str, SavedCheckpoint]:
    """Returns every checkpoint that a recipe names, by JSON Pointer."""
    found: dict[str, SavedCheckpoint] = {}

    def note(checkpoint: SavedCheckpoint, path: Path) -> SavedCheckpoint:
        return found.setdefault(pointer(path), checkpoint)

    with_checkpoints(whole, note)
    return found
