"""The base class of all documents that enter or leave a process."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Unknown fields are refused, instances never change, numbers are finite and never coerced.

    A string under a field becomes its description in JSON Schema and OpenAPI.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
