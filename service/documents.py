"""Reads the bodies of requests that are no recipes."""

from typing import TypeVar

from pydantic import ValidationError

from bakehouse.model import Model
from service.error_responses import field_error
from service.errors import InvalidRequest

Body = TypeVar("Body", bound=Model)


def parse_document(kind: type[Body], document: object, *, strict: bool | None = None) -> Body:
    """Returns a body as a model of this class, which decides how strict it is unless that is given. Raises
    InvalidRequest with the problems of all fields."""
    try:
        return kind.model_validate(document, strict=strict)
    except ValidationError as error:
        raise InvalidRequest(*(field_error(each) for each in error.errors(include_url=False))) from error
