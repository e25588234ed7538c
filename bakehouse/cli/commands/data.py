"""The commands about data sets: `bakehouse data add`, `ls`, `show`, `samples` and `rm`."""

from pathlib import Path
from typing import Annotated

import typer

from bakehouse.cli.options import AsJson, Fields, require_folder
from bakehouse.tasks.sample_choices import MAX_ROWS, Split

app = typer.Typer(help="Upload, list, show and delete data sets.", no_args_is_help=True, rich_markup_mode=None)

Reference = Annotated[
    str, typer.Argument(metavar="NAME", help="A name, NAME@2 for a version, or an id; a name means the newest version.")
]


@app.command()
def add(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file, a folder, an https:// or s3:// address, or - for standard input."),
    ],
    name: Annotated[
        str | None, typer.Option(help="The name by which recipes will know it; by default that of the file.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the id and exit once it is uploaded, before it is inspected.")
    ] = False,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Upload a table, arrays, or a folder of pictures; after an interruption the same command resumes.

    A name that was uploaded before gets another version. When the data set is ready, prints what is in it, and a recipe
    that trains on it.
    """
    from bakehouse.cli.data_commands import add_dataset

    add_dataset(source, name, detach=detach, as_json=as_json, fields=fields)


@app.command()
def ls(as_json: AsJson = False, fields: Fields = None) -> None:
    """List the data sets that a recipe can name, and the uploads."""
    from bakehouse.cli.listing import list_datasets

    list_datasets(as_json=as_json, fields=fields)


@app.command()
def show(name: Reference, as_json: AsJson = False, fields: Fields = None) -> None:
    """Show a data set: its status, size, columns and classes, and a recipe that trains on it."""
    from bakehouse.cli.data_commands import show_dataset

    show_dataset(name, as_json=as_json, fields=fields)


@app.command()
def samples(
    name: Reference,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", dir_okay=False, callback=require_folder, help="The file for the picture."
        ),
    ] = Path("samples.png"),
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=MAX_ROWS, help="Number of rows.")] = 16,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed draws other rows.")] = 0,
    split: Annotated[Split, typer.Option(help="The split of the files.")] = "train",
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Print rows of a data set, drawn at random; images become a PNG file."""
    from bakehouse.cli.data_commands import show_samples

    show_samples(name, output, limit=limit, seed=seed, split=split, as_json=as_json, fields=fields)


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names, versions (NAME@2) or ids.")],
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Delete uploaded data sets; a name means its newest version. Runs that are not over must not need them."""
    from bakehouse.cli.data_commands import delete_datasets

    delete_datasets(names, as_json=as_json, fields=fields)
