"""/v1/recipes: describes the recipe language."""

import json
from functools import cache

from fastapi import APIRouter, Depends, Response

from bakehouse.ingredients import Ingredients, ingredients
from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from service.dependencies import refuse_unknown_parameters

router = APIRouter(prefix="/v1/recipes", tags=["recipes"], dependencies=[Depends(refuse_unknown_parameters)])
# Both documents depend only on the version of the service. All responses share their bytes.
HEADERS = {"Cache-Control": "public, max-age=3600", "Content-Type": "application/json"}


@router.get("/schema", operation_id="get_recipe_schema", response_model=JsonObject)
def get_recipe_schema() -> Response:
    """Returns the JSON Schema of canonical recipes. POST also accepts short forms, which the schema does not show."""
    return Response(schema_bytes(), headers=HEADERS)


@router.get("/ingredients", operation_id="list_ingredients", response_model=Ingredients)
def list_ingredients() -> Response:
    """Lists every variant of every family of ingredients, with fields, defaults and ranges."""
    return Response(ingredients_bytes(), headers=HEADERS)


@cache
def schema_bytes() -> bytes:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
    return json.dumps(schema).encode()


@cache
def ingredients_bytes() -> bytes:
    return ingredients().model_dump_json().encode()
