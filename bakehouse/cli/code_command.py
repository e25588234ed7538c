"""`bakehouse code`: the script that loads a run's weights in plain PyTorch."""

from pathlib import Path

from bakehouse.client import Client, ClientRun
from bakehouse.data.errors import DatasetBroken
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import make_plan
from bakehouse.plan.script import pytorch_code


def print_script(run_id: str, file: Path) -> None:
    """Prints the script of a run."""
    with Client() as client:
        print(script_of(client.run(run_id), client, file), end="")


def script_of(run: ClientRun, client: Client, file: Path) -> str:
    """Returns the script that builds the run's model and loads its weights from `file`."""
    return pytorch_code(make_plan(run.record.known_recipe, find_card(run, client)), str(file))


def find_card(run: ClientRun, client: Client) -> DatasetCard:
    """Returns the card of the run's data set. Raises DatasetBroken if the set was removed or changed since the run,
    because the model's shape follows from it."""
    name = run.record.known_recipe.dataset.id
    provenance = run.record.provenance
    card = next((listing.card for listing in client.datasets() if listing.id == name), None)
    if card is None:
        raise DatasetBroken(name, "the service no longer has it, and the model's shape depends on it")
    # A run that is not over has no provenance, so there is no fingerprint to compare.
    if provenance is not None and provenance.dataset_fingerprint != card.fingerprint:
        raise DatasetBroken(name, "its files have changed since the run was trained on them")
    return card
