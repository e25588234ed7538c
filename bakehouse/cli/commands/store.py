"""The commands about the store: `bakehouse store check`."""

from typing import Annotated

import typer

from bakehouse.cli.options import AsJson, Fields

app = typer.Typer(help="Check the files of runs and data sets.", no_args_is_help=True, rich_markup_mode=None)


# Otherwise a group of one command would be that command.
@app.callback()
def define_group() -> None:
    pass


@app.command()
def check(
    repair: Annotated[bool, typer.Option("--repair", help="Delete what no run and no data set names.")] = False,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Read all files of the store, and print what is missing, damaged, or orphaned; exit with 1 if something is missing
    or damaged.

    Needs Redis, and BAKEHOUSE_STORE as the services and workers have it. Files of the last hour are never orphaned.
    """
    from bakehouse.cli.store_command import check_store

    raise typer.Exit(check_store(repair=repair, as_json=as_json, fields=fields))
