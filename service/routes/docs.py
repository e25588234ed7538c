"""/docs, /openapi.json and /llms.txt: serve the API's documentation. All files of the page come from an installed
package, none from another host. The page's addresses are relative, so that it also works behind a proxy that adds a
prefix."""

import json
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)
BUNDLE = files("fastapi_swagger") / "resources"
ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon-32x32.png": "image/png"}
# Swagger UI sets inline styles and loads its icons from `data:` addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bakehouse API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START_SCRIPT = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#api", deepLinking: true});\n'


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Returns the page of the documentation."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Returns the script that starts Swagger UI. It is a file because the policy forbids scripts inside the page."""
    return Response(START_SCRIPT, media_type="text/javascript")


# This route comes after the others, because its pattern also matches `/docs/start.js`.
@router.get("/docs/{name}")
def asset(name: Annotated[str, Path(max_length=64)]) -> Response:
    """Returns a script, a style sheet or the icon."""
    # Only listed names become paths, so no other file of the package can be read.
    if name not in ASSETS:
        raise HTTPException(404)
    return Response(read_asset(name), media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """Returns the OpenAPI document."""
    return Response(openapi_bytes(request.app), media_type="application/json")


@router.get("/llms.txt")
def llms_txt() -> Response:
    """Returns the description of the API for programs that read text (https://llmstxt.org)."""
    return Response(read_llms_txt(), media_type="text/markdown")


# The files and the document never change. All responses share their bytes, however many clients read slowly.


@cache
def read_asset(name: str) -> bytes:
    return (BUNDLE / name).read_bytes()


@cache
def read_llms_txt() -> bytes:
    return (files("service") / "llms.txt").read_bytes()


@cache
def openapi_bytes(app: FastAPI) -> bytes:
    return json.dumps(app.openapi()).encode()
