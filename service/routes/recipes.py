"""/v1/recipes: describes the recipe language, and shows what a recipe does to its data."""

import json
from base64 import b64encode
from functools import cache

from fastapi import APIRouter, Depends, Request, Response

from bakehouse.ingredients import Ingredients, ingredients
from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from bakehouse.tasks.preview import unpack
from service.dependencies import Accept, JsonBody, ServicesDep, refuse_unknown_parameters
from service.openapi import json_body, returns
from service.previews import KEPT_SECONDS

router = APIRouter(prefix="/v1/recipes", tags=["recipes"], dependencies=[Depends(refuse_unknown_parameters)])
# Both documents depend only on the version of the service. All responses share their bytes.
HEADERS = {"Cache-Control": "public, max-age=3600", "Content-Type": "application/json"}
PNG = "image/png"


def returns_preview() -> dict[int | str, JsonObject]:
    """Returns the `responses` of the route that sends a picture, or the picture with its description as JSON."""
    responses = returns("RecipePreview", 400, 409, 413, 415, 422, 500, 503)
    responses[200]["content"][PNG] = {"schema": {"type": "string", "format": "binary"}}
    return responses


@router.get("/schema", operation_id="get_recipe_schema", response_model=JsonObject)
def get_recipe_schema() -> Response:
    """Returns the JSON Schema of canonical recipes. POST also accepts short forms, which the schema does not show."""
    return Response(schema_bytes(), headers=HEADERS)


@router.get("/ingredients", operation_id="list_ingredients", response_model=Ingredients)
def list_ingredients() -> Response:
    """Lists every variant of every family of ingredients, with fields, defaults and ranges."""
    return Response(ingredients_bytes(), headers=HEADERS)


@router.post("/preview", operation_id="preview_recipe", openapi_extra=json_body("Recipe"), responses=returns_preview())
async def preview_recipe(request: Request, document: JsonBody, services: ServicesDep, accept: Accept = PNG) -> Response:
    """Shows what the augmentation of a recipe makes of its data: a picture of four training rows, each with the
    original and eight draws, by the code that trains. Nothing is stored, and nothing is trained.

    The rows are the first of the first batch; draw n is what step n would make of them on the CPU. Without augmentation
    there are only the originals. With `Accept: application/json`, the response has the picture in base64 and says what
    is where in it. The same recipe gives the same picture; the header `Cache-Status` says whether it was drawn before.
    """
    shown = await services.previews.show(document, is_gone=request.is_disconnected)
    description, png = unpack(shown.result)
    headers = {
        "Cache-Control": f"private, max-age={KEPT_SECONDS}",
        "Cache-Status": f"bakehouse; {'hit' if shown.was_kept else 'fwd=miss'}",
        "ETag": f'"{shown.digest}"',
        "Vary": "Accept",
    }
    if "application/json" in accept and PNG not in accept:
        content = {**json.loads(description), "png": b64encode(png).decode()}
        return Response(json.dumps(content), headers=headers, media_type="application/json")
    return Response(png, headers=headers, media_type=PNG)


@cache
def schema_bytes() -> bytes:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
    return json.dumps(schema).encode()


@cache
def ingredients_bytes() -> bytes:
    return ingredients().model_dump_json().encode()
