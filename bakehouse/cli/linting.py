"""`bakehouse lint`: what is wrong with a recipe and what the literature says of it; nothing is queued."""

import sys
from dataclasses import asdict
from typing import Any

from bakehouse.cli.tables import block
from bakehouse.cli.view import printable
from bakehouse.client import Client, Unreachable
from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.runs.local_runs import LocalRuns
from bakehouse.settings import Settings

PACKING_SECONDS = 60.0


def lint_recipe(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """What the service says of it, or this machine where there is no service."""
    with Client(settings.base_url) as client:
        try:
            return client.validate(document)
        except Unreachable as error:
            print(f"bakehouse: {error}: read on this machine, with its data sets", file=sys.stderr)
    return lint_here(document, settings)


def lint_here(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The same without a service."""
    limits = Limits(parameters=settings.max_parameters)
    saved = LocalRuns(settings.trained)
    prepared = prepare(document, Catalog(settings), limits, saved=saved, wait_seconds=PACKING_SECONDS)
    return {
        "recipe": prepared.plan.recipe.canonical(),
        "advice": [item.model_dump(mode="json") for item in prepared.advice],
        "estimate": asdict(prepared.plan.estimate),
    }


def lint_text(found: dict[str, Any]) -> str:
    """Size and advice."""
    size = found["estimate"]
    rows = [
        ("recipe", "can be trained"),
        ("parameters", f"{size['parameters']:,}"),
        ("memory", f"about {size['memory_bytes'] / 2**20:,.1f} MiB"),
    ]
    return block(rows + [advice_row(item) for item in found["advice"]])


def advice_row(item: dict[str, Any]) -> tuple[str, str]:
    """Severity, then what, where, and who says so."""
    return item["severity"], printable(f"{item['pointer']}  {item['message']} ({item['source']})")
