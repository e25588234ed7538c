"""/v1/recipes: the language itself."""

from typing import Any

from fastapi import APIRouter, Depends, Response

from bakehouse.recipe.recipe import Recipe
from service.dependencies import refuse_unknown_parameters
from service.ingredients import Ingredients, ingredients

router = APIRouter(prefix="/v1/recipes", tags=["recipes"], dependencies=[Depends(refuse_unknown_parameters)])
CACHE = "public, max-age=3600"


@router.get("/schema", operation_id="get_recipe_schema")
def get_recipe_schema(response: Response) -> dict[str, Any]:
    """JSON Schema of a recipe in its canonical form; short forms are taken too."""
    response.headers["Cache-Control"] = CACHE
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


@router.get("/ingredients", operation_id="list_ingredients")
def list_ingredients(response: Response) -> Ingredients:
    """Every variant of every family, with fields, defaults and ranges."""
    response.headers["Cache-Control"] = CACHE
    return ingredients()
