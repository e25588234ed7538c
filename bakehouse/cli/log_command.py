"""`bakehouse log`: prints the log of an attempt at a run."""

from bakehouse.cli.formats import sanitize
from bakehouse.cli.output import print_json
from bakehouse.client import Client


def print_log(run_id: str, attempt: int | None, *, as_json: bool, fields: str | None) -> None:
    """Prints what the training process of an attempt wrote, without what would steer the terminal."""
    with Client() as client:
        text = client.run(run_id).log(attempt=attempt)
    if as_json or fields is not None:
        print_json({"id": run_id, "log": text}, fields)
        return
    for line in text.splitlines():
        print(sanitize(line.replace("\t", "    ")))
