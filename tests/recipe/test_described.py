"""The parts that the docstrings of ingredients must have."""

import inspect
import re
from collections.abc import Iterator
from typing import ClassVar

import pytest

from bakehouse.model import descriptions
from bakehouse.recipe.architecture import Linear
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.described import CODE, docstring_parts
from bakehouse.recipe.ingredient import Ingredient, Off, variants
from bakehouse.recipe.objective import Objective
from bakehouse.recipe.recipe import Recipe

NO_TECHNIQUE = (Off, Objective)
"""Parts of the language without a paper."""
NO_TRAP = (Off, Linear, SavedCheckpoint)
"""Ingredients without a common mistake."""


def inside(kind: type[Ingredient]) -> Iterator[type[Ingredient]]:
    """All ingredients that a recipe may hold."""
    for field in kind.model_fields.values():
        for inner in variants(field.annotation).values():
            yield inner
            yield from inside(inner)


KINDS = list(dict.fromkeys(inside(Recipe)))
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@kinds
def test_every_ingredient_has_a_sentence_and_a_source(kind: type[Ingredient]) -> None:
    parts = docstring_parts(kind)
    assert parts.sentence.endswith(".")
    is_technique = kind not in NO_TECHNIQUE and "sha256" not in kind.model_fields
    assert bool(parts.sources) == is_technique


@kinds
def test_every_default_has_a_reason(kind: type[Ingredient]) -> None:
    defaults = [name for name, field in kind.model_fields.items() if name != "type" and not field.is_required()]
    assert bool(docstring_parts(kind).default) == bool(defaults)


@kinds
def test_all_but_few_ingredients_have_a_trap(kind: type[Ingredient]) -> None:
    assert bool(docstring_parts(kind).traps) == (kind not in NO_TRAP)


@kinds
def test_formulas_are_in_backticks(kind: type[Ingredient]) -> None:
    prose = CODE.sub("", inspect.getdoc(kind) or "")
    assert re.findall(r" (?:=|<-|~) ", prose) == []


@kinds
def test_every_field_says_what_it_means(kind: type[Ingredient]) -> None:
    assert kind.model_fields.keys() - {"type"} <= descriptions(kind).keys()


class Loaf(Ingredient):
    """Bakes what rises: `y = flour + water`. It takes time.

    Default: an hour, as in Baker et al. 2001.

    Trap: `the oven` must be hot.

    Miller & Baker 1998, Bread 3, section 2.
    """

    main: ClassVar[str | None] = None


def test_a_docstring_is_read_in_its_parts() -> None:
    parts = docstring_parts(Loaf)
    assert parts.sentence == "Bakes what rises: `y = flour + water`."
    assert parts.text == "It takes time."
    assert parts.formulas == ("y = flour + water",)
    assert parts.sources == ("Miller & Baker 1998, Bread 3, section 2", "Baker et al. 2001")
    assert parts.default == "An hour, as in Baker et al. 2001."
    assert parts.traps == ("`the oven` must be hot.",)
