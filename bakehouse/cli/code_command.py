"""`bakehouse code`: a run's model in plain PyTorch."""

from pathlib import Path

from bakehouse.client import Client, ClientRun
from bakehouse.data.errors import DatasetBroken
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import make_plan
from bakehouse.plan.script import pytorch_code


def code_of(run: ClientRun, client: Client, file: Path) -> str:
    """The script that builds the run's model and loads its weights from `file`."""
    return pytorch_code(make_plan(run.record.recipe, card_of(run, client)), str(file))


def card_of(run: ClientRun, client: Client) -> DatasetCard:
    """The data set's, as it is now; raises DatasetBroken where it has changed or gone since the run."""
    name, receipt = run.record.recipe.dataset.id, run.record.receipt
    card = next((each.card for each in client.datasets() if each.id == name), None)
    if card is None:
        raise DatasetBroken(name, "it is not there any more, and the model's shape comes from it")
    if receipt is not None and receipt.dataset_fingerprint != card.fingerprint:
        raise DatasetBroken(name, "its files are not those that the run was trained on")
    return card
