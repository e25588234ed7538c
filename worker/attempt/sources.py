"""Reads the checkpoints that a recipe builds on."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetError
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint, checkpoints_in
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.artifacts import Artifacts, Damaged
from bakehouse.runs.errors import storage_error
from bakehouse.runs.migrations import migrate_recipe
from worker.types import Weights


@dataclass(frozen=True)
class Source:
    """A trained model: its plan and its weights."""

    plan: Plan
    weights: Weights


class SourceLost(Exception):
    """Raised if weights that existed when the run was submitted are now missing or damaged."""

    def __init__(self, named: SavedCheckpoint, pointer: str, why: Exception) -> None:
        super().__init__(f"The weights of {named.run} that this run builds on cannot be used: {why}")
        self.pointer = pointer


def read_sources(
    recipe: Recipe, catalog: Catalog, artifacts_of: Callable[[str], Artifacts], *, wait_seconds: float = 0.0
) -> dict[str, Source]:
    """Reads each checkpoint that the recipe names; returns a dict from digest to source. Raises SourceLost, and
    StorageUnavailable."""
    sources: dict[str, Source] = {}
    for pointer, named in checkpoints_in(recipe).items():
        try:
            content = read_weights(named, artifacts_of(named.run))
            # An earlier version may have written the checkpoint, with former names of fields.
            source = read_recipe(migrate_recipe(read_trained_recipe(content)))
            plan = make_plan(source, catalog.card(source.dataset.id, wait_seconds=wait_seconds))
            sources[named.digest] = Source(plan, safetensors.torch.load(content))
        except (Damaged, DatasetError, RecipeInvalid, SafetensorError) as error:
            raise SourceLost(named, pointer, error) from error
    return sources


def read_weights(named: SavedCheckpoint, artifacts: Artifacts) -> bytes:
    """Returns the bytes of a checkpoint's file. Raises Damaged if they are missing or do not have the expected digest,
    and StorageUnavailable if they cannot be read."""
    try:
        content = artifacts.checkpoint_path(named.run, named.digest).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Damaged("the file is missing") from error
    # Weights that cannot be read at the moment are not lost, so the run may be retried.
    except OSError as error:
        raise storage_error(error) from error
    # The recipe names the digest, so a run never starts from other weights than those it was submitted with.
    if hashlib.sha256(content).hexdigest() != named.digest:
        raise Damaged("the file does not have its digest")
    return content


def read_trained_recipe(content: bytes) -> Any:
    """Returns the recipe in the header that `checkpoint_writer.describe` made for a file of weights. Raises Damaged if
    there is none."""
    # A safetensors file begins with the length of its JSON header in 8 bytes, followed by the header.
    size = int.from_bytes(content[:8], "little")
    try:
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
        return json.loads(metadata["bakehouse"])["recipe"]
    except (ValueError, TypeError, LookupError) as error:
        raise Damaged("the header of the file does not contain the recipe of the weights") from error
