"""Models are built late, and described by the strings under their fields."""

import subprocess
import sys

from bakehouse.model import Model, descriptions
from tests.running_service import ROOT


class Base(Model):
    """A model."""

    size: int = 0
    """Its size,
    in centimetres."""
    silent: int = 0


class Derived(Base):
    """A model with one more field, and another description of an old one."""

    size: int = 1
    """Its size in metres."""
    base: Base | None = None
    """The model inside."""


def test_a_string_under_a_field_describes_it() -> None:
    assert descriptions(Base) == {"size": "Its size,\nin centimetres."}
    assert descriptions(Derived) == {"size": "Its size in metres.", "base": "The model inside."}
    properties = Derived.model_json_schema()["properties"]
    assert properties["size"]["description"] == "Its size in metres."
    assert properties["base"]["description"] == "The model inside."
    assert "description" not in properties["silent"]


def test_no_model_is_built_by_its_import() -> None:
    # FastAPI builds the small models of its own routes; runs and recipes are the large ones.
    program = (
        "import service.app\n"
        "from bakehouse.model import build_models\n"
        "from bakehouse.recipe.recipe import Recipe\n"
        "from bakehouse.runs.record import Record\n"
        "assert not (Recipe.__pydantic_complete__ or Record.__pydantic_complete__)\n"
        "build_models()\n"
        "assert Recipe.__pydantic_complete__ and Record.__pydantic_complete__\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
