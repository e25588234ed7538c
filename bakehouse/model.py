"""The base class of all documents that enter or leave a process."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

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
        use_attribute_docstrings=True,
    )
