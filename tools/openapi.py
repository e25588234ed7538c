# ruff: noqa: INP001
"""Writes what the page is checked against into `web/`: the OpenAPI document, from which its types are generated, and
the ingredients, from which its form is drawn. Needs no Redis."""

import json
from pathlib import Path

from bakehouse.ingredients import ingredients
from bakehouse.settings import Settings
from service.app import create_api, make_services

WEB = Path(__file__).parent.parent / "web"

document = create_api(make_services(Settings(), "redis://localhost")).openapi()
(WEB / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
(WEB / "ingredients.json").write_text(ingredients().model_dump_json(), encoding="utf-8")
