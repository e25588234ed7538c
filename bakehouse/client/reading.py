"""Reads what a service answers, also if the service is newer than this client: what this version does not know is kept
as it was sent. The service itself reads nothing in this way."""

import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, PlainValidator, ValidationError, ValidationInfo, create_model
from pydantic_core import ErrorDetails

from bakehouse.client.errors import RecipeUnknown
from bakehouse.experiments.document import ExperimentDocument
from bakehouse.experiments.experiment import Experiment
from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Page, Run

Document = TypeVar("Document", bound=BaseModel)


class NewerService(UserWarning):
    """Warns that a service answered with something that this version of the client does not know."""


def read_recipe(value: object, info: ValidationInfo) -> object:
    try:
        # JSON has lists where a recipe has tuples, which a strict validation would refuse.
        return Recipe.model_validate(value, strict=False)
    except ValidationError:
        if info.context is UNKNOWN_ALLOWED and isinstance(value, dict):
            return value
        raise


UNKNOWN_ALLOWED = {"unknown": "allowed"}


class RunRecord(Run):
    """A run as the client reads it."""

    # A service only writes recipes that it knows, so the class of its runs is narrower.
    recipe: Annotated[Recipe | JsonObject, PlainValidator(read_recipe)]  # type: ignore[assignment]
    """The canonical recipe; plain JSON if a part of it is unknown to this version of the client."""

    @property
    def plain_recipe(self) -> JsonObject:
        """The canonical recipe as JSON, whether or not this version knows all of it."""
        return self.recipe.canonical() if isinstance(self.recipe, Recipe) else self.recipe

    @property
    def known_recipe(self) -> Recipe:
        """The canonical recipe. Raises RecipeUnknown if it is plain JSON."""
        if not isinstance(self.recipe, Recipe):
            raise RecipeUnknown(self.id)
        return self.recipe

    @property
    def is_over(self) -> bool:
        """Whether the status never changes again. Only a run that is over has a time at which it ended, also if its
        status is unknown to this version."""
        return super().is_over or self.finished_at is not None


def read_experiment_document(value: object, info: ValidationInfo) -> object:
    try:
        return ExperimentDocument.model_validate(value, strict=False)
    except ValidationError:
        if info.context is UNKNOWN_ALLOWED and isinstance(value, dict):
            return value
        raise


class ExperimentState(Experiment):
    """An experiment as the client reads it."""

    # A service only writes documents that it knows, so the class of its experiments is narrower.
    document: Annotated[ExperimentDocument | JsonObject, PlainValidator(read_experiment_document)]  # type: ignore[assignment]
    """The document as it was posted, with what was added since; plain JSON if a part of it is unknown to this version
    of the client."""

    @property
    def plain_document(self) -> JsonObject:
        """The document as JSON, whether or not this version knows all of it. POST it to ask the question again."""
        if isinstance(self.document, ExperimentDocument):
            return self.document.model_dump(mode="json")
        return self.document


class RecordPage(Page):
    """A page of the list of runs as the client reads it."""

    data: tuple[RunRecord, ...]


def read(kind: type[Document], content: bytes) -> tuple[Document, list[str]]:
    """Parses a JSON document; returns it with the names of the fields that this version does not know, or whose value
    it does not know. Raises ValidationError if the document has another form."""
    try:
        return kind.model_validate_json(content), []
    except ValidationError as error:
        document = open_model(kind).model_validate_json(content, context=UNKNOWN_ALLOWED)
        return document, names_of(error.errors(include_url=False))


def names_of(errors: Iterable[ErrorDetails]) -> list[str]:
    # The location ends with the index if the field is a list.
    names = ([name for name in error["loc"] if isinstance(name, str)] for error in errors)
    return list(dict.fromkeys(location[-1] for location in names if location))


@cache
def open_model(kind: type[Document]) -> type[Document]:
    """Returns a subclass of a model that keeps further fields, and any text where the model has a list of texts."""
    fields: dict[str, Any] = {name: (open_type(item.annotation), item) for name, item in kind.model_fields.items()}
    return create_model(
        kind.__name__, __base__=kind, __module__=kind.__module__, __cls_kwargs__={"extra": "allow"}, **fields
    )


def open_type(annotation: Any) -> Any:
    # These are read by functions of their own: their variants are told apart by texts that have to be known.
    if annotation in (Recipe, ExperimentDocument):
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return open_model(annotation)
    inner = tuple(open_type(item) for item in get_args(annotation))
    match get_origin(annotation):
        case None:
            return annotation
        case origin if origin is Literal:
            return str if all(isinstance(item, str) for item in inner) else annotation
        case origin if origin in (Union, types.UnionType):
            return Union[inner]  # noqa: UP007 - the members are not known here
        case origin:
            return origin[inner]
