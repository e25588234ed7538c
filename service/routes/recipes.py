"""/v1/recipes: describes the recipe language."""

from fastapi import APIRouter, Depends, Response

from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from service.dependencies import refuse_unknown_parameters
from service.ingredients import Ingredients, ingredients

router = APIRouter(prefix="/v1/recipes", tags=["recipes"], dependencies=[Depends(refuse_unknown_parameters)])
# Both documents depend only on the version of the service.
CACHE = "public, max-age=3600"


@router.get("/schema", operation_id="get_recipe_schema")
def get_recipe_schema(response: Response) -> JsonObject:
    """Returns the JSON Schema of canonical recipes. POST also accepts short forms, which the schema does not show."""
    response.headers["Cache-Control"] = CACHE
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


@router.get("/ingredients", operation_id="list_ingredients")
def list_ingredients(response: Response) -> Ingredients:
    """Lists every variant of every family of ingredients, with fields, defaults and ranges."""
    response.headers["Cache-Control"] = CACHE
    return ingredients()
