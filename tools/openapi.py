# ruff: noqa: INP001
"""Prints the OpenAPI document, from which the page's types are generated in `make check`. Needs no Redis."""

import json

from bakehouse.settings import Settings
from service.app import create_api, make_services

print(json.dumps(create_api(make_services(Settings(), "redis://localhost")).openapi()))
