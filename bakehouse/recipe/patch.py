"""How a finding says what to change in a recipe, and how serious it is."""

from typing import Literal

from bakehouse.model import Model

Severity = Literal["error", "warning", "info"]


class PatchStep(Model):
    """One operation of the JSON Patch (RFC 6902) that settles a finding."""

    op: Literal["add", "replace", "remove"]
    path: str
    value: object = None
