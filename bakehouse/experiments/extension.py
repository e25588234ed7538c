"""Adds seeds, variants or values of axes to the document of an experiment."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, ValidationError

from bakehouse.experiments.designs import invalid
from bakehouse.experiments.document import ArmName, ExperimentDocument, Grid, Pointer, Search, Seeds, Variants
from bakehouse.experiments.document import problems as problems_of
from bakehouse.model import JsonObject, Model
from bakehouse.recipe.problems import Problem, RecipeInvalid, path_of, pointer

Values = Annotated[list[object], Field(min_length=1)]
"""Values to add to an axis."""


class Extension(Model):
    """What to add to an experiment; at least one of these."""

    seeds: Seeds | None = None
    """Seeds to add, or the number of seeds that there should be; those that are there already are left out."""
    variants: Annotated[dict[ArmName, JsonObject], Field(min_length=1)] | None = None
    """Variants to add to a design of the type `variants`."""
    axes: Annotated[dict[Pointer, Values], Field(min_length=1, max_length=10)] | None = None
    """Values to add to axes of a design of the type `grid`."""


def extend_document(document: ExperimentDocument, posted: object) -> JsonObject:
    """Returns the longer document. Raises RecipeInvalid with pointers into what was posted."""
    extension = read_extension(posted)
    longer = document.model_dump(mode="json")
    if isinstance(document.design, Search):
        raise invalid("", "conflict", "a search cannot be extended; post a new one")
    for seed in extension.seeds or ():
        if seed not in longer["seeds"]:
            longer["seeds"].append(seed)
    if extension.variants is not None:
        if not isinstance(document.design, Variants):
            raise invalid("/variants", "conflict", f"the design is {document.design.type}, which has no variants")
        for name, patch in extension.variants.items():
            if name in longer["design"]["variants"]:
                raise invalid(f"/variants{pointer([name])}", "conflict", f"there is an arm {name!r} already")
            longer["design"]["variants"][name] = patch
    if extension.axes is not None:
        if not isinstance(document.design, Grid):
            raise invalid("/axes", "conflict", f"the design is {document.design.type}, which has no axes")
        for axis, values in extension.axes.items():
            if axis not in longer["design"]["axes"]:
                message = "a new axis would change every arm; post a new experiment, which uses the runs of this one"
                raise invalid(f"/axes{pointer([axis])}", "conflict", message, tuple(document.design.axes))
            longer["design"]["axes"][axis] += values
    return longer


def point_into_extension(document: ExperimentDocument, posted: JsonObject, error: RecipeInvalid) -> RecipeInvalid:
    """Translates the problems of a longer document into problems of what was posted to extend `document`."""

    def translated() -> Iterator[Problem]:
        for problem in error.problems:
            place = posted_place(document, posted, problem.pointer or "")
            # The problem is not in what was posted: the data set may have been deleted since.
            message = problem.message if place else f"{problem.pointer} of the experiment's document: {problem.message}"
            yield problem.model_copy(update={"pointer": place, "message": message})

    return RecipeInvalid(translated())


def posted_place(document: ExperimentDocument, posted: JsonObject, place: str) -> str:
    """Returns the place in what was posted that a place in the longer document comes from; empty if there is none."""
    # If one thing is added, whatever is wrong with the whole comes from that.
    whole = pointer(list(posted)) if len(posted) == 1 else ""
    match path_of(place):
        case ["seeds"] if "seeds" in posted:
            return "/seeds"
        case ["design", "variants", name, *rest] if str(name) in posted.get("variants", ()):
            return pointer(["variants", name, *rest])
        case ["design", "axes", axis, index, *rest] if axis in posted.get("axes", ()) and isinstance(
            document.design, Grid
        ):
            added = int(index) - len(document.design.axes[str(axis)])
            return pointer(["axes", axis, added, *rest]) if added >= 0 else whole
        case ["design" | "seeds", *_]:
            return whole
        case _:
            return ""


def read_extension(posted: object) -> Extension:
    if not isinstance(posted, dict) or all(value is None for value in posted.values()):
        raise invalid("", "object_type", "needs an object with seeds, variants or axes", tuple(Extension.model_fields))
    try:
        return Extension.model_validate(posted)
    except ValidationError as error:
        raise RecipeInvalid(problems_of(posted, error.errors(include_url=False), Extension)) from error
