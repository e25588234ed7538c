"""`bakehouse preview`: a picture of what a recipe's augmentation makes of its data."""

from pathlib import Path

from bakehouse.client import Client
from bakehouse.model import JsonObject


def save_preview(document: JsonObject, output: Path) -> None:
    """Saves the picture, and prints the name of the file."""
    with Client() as client:
        output.write_bytes(client.preview(document))
    print(output)
