"""The base class of all documents that enter or leave a process."""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

JsonObject = dict[str, Any]
"""A JSON object whose fields nobody has checked yet, or that are about to be written."""


class Model(BaseModel):
    """Refuses unknown fields, numbers that are not finite, and values of another type. Instances are immutable.

    A string under a field becomes the field's description in JSON Schema and OpenAPI.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        # A validator is built when it is first used: all of them take as long as the rest of the service's start.
        defer_build=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the descriptions of the fields."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in descriptions(cls).items():
            if name in properties:
                properties[name]["description"] = text
        return schema


def build_models() -> None:
    """Builds the validators of all models that have been imported, for a process that must not build them later."""
    kinds = [Model]
    while kinds:
        kind = kinds.pop()
        kind.model_rebuild()
        kinds += kind.__subclasses__()


# Pydantic's setting `use_attribute_docstrings` reads the source when a class is made, which took a quarter of the time
# in which the service starts. Only its documentation needs the descriptions.
@cache
def descriptions(kind: type[BaseModel]) -> dict[str, str]:
    """Returns the string under each field of a model and of the models that it inherits from."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            texts |= strings_under_fields(base.__module__).get(base.__qualname__, {})
    return texts


@cache
def strings_under_fields(module: str) -> dict[str, dict[str, str]]:
    """Returns, for each class at the top level of a module, the string under each annotated name."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        node.name: {
            field.target.id: inspect.cleandoc(below.value.value)
            for field, below in pairwise(node.body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
