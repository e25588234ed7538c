"""`bakehouse best`: downloads a run's best weights."""

import sys
from pathlib import Path

from bakehouse.cli.output import print_json
from bakehouse.client import Client


def save_best(run_id: str, output: Path, *, as_json: bool, fields: str | None) -> None:
    """Downloads the best weights and prints the file's name."""
    with Client() as client:
        run = client.run(run_id)
        checkpoint = run.best_checkpoint()
        run.download(checkpoint, output)
    if as_json or fields is not None:
        print_json({"file": str(output), **checkpoint.model_dump(mode="json")}, fields)
        return
    print(output)
    print(
        f"epoch {checkpoint.epoch}, {checkpoint.bytes:,} bytes, sha256 {checkpoint.sha256}\n"
        f"  bakehouse code {run_id} --file {output}",
        file=sys.stderr,
    )
