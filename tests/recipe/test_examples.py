"""Golden documents: short forms with their canonical form, and invalid documents with their problems."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.settings import Settings

EXAMPLES = Path(__file__).parent / "examples"


def examples(kind: str) -> pytest.MarkDecorator:
    """Every file of a folder, by its name."""
    return pytest.mark.parametrize("path", sorted((EXAMPLES / kind).glob("*.json")), ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_bytes())
    assert isinstance(document, dict)
    return document


@examples("valid")
def test_a_short_form_has_one_canonical_form(path: Path) -> None:
    example = read(path)
    assert json.dumps(read_recipe(example["recipe"]).canonical()) == json.dumps(example["canonical"])


@examples("valid")
def test_the_canonical_form_is_a_fixed_point(path: Path) -> None:
    canonical = read(path)["canonical"]
    assert read_recipe(canonical).canonical() == canonical


@examples("valid")
def test_short_and_long_forms_hash_the_same(path: Path) -> None:
    example = read(path)
    short, long = read_recipe(example["recipe"]), read_recipe(example["canonical"])
    assert (short.sha256(), short.group_sha256()) == (long.sha256(), long.group_sha256())


@examples("invalid")
def test_each_problem_is_named_where_it_was_posted(path: Path, tmp_path: Path) -> None:
    example = read(path)
    catalog = Catalog(Settings(home=tmp_path))
    with pytest.raises(RecipeInvalid) as refused:
        prepare(example["recipe"], catalog, Limits(parameters=10**9))
    found = [[problem.pointer, problem.code, problem.message] for problem in refused.value.problems]
    assert found == example["problems"]


@examples("valid")
@pytest.mark.parametrize("form", ["recipe", "canonical"])
def test_the_json_schema_takes_both_forms(path: Path, form: str) -> None:
    jsonschema.validate(read(path)[form], Recipe.model_json_schema())
