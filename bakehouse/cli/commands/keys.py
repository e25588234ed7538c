"""The commands about API keys: `bakehouse keys create`, `list`, `revoke`, `rotate` and `off`."""

from typing import Annotated

import typer

from bakehouse.cli.options import AsJson, Fields

app = typer.Typer(help="Create, list and end API keys.", no_args_is_help=True, rich_markup_mode=None)

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as `bakehouse keys list` lists it.")]
Expires = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long the key is accepted: 90d, 12h, 30m or 45s; else for ever.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, such as ada or ci.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[read|submit|control|admin]",
            help="What the key permits; may be repeated. By default read, submit and control; admin is all.",
        ),
    ] = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Print a new API key, which is shown only once; from the first key on, the service asks everybody for one.

    Works on the Redis of BAKEHOUSE_HOME or BAKEHOUSE_REDIS_URL itself, so no service needs to run. The secret with
    which keys are checked is in BAKEHOUSE_HOME.
    """
    from bakehouse.cli.keys_command import create_key

    create_key(name, scopes=scope or [], expires=expires, as_json=as_json)


@app.command("list")
def list_all(as_json: AsJson = False, fields: Fields = None) -> None:
    """List all API keys, also those that are not accepted any more; the secrets are not stored."""
    from bakehouse.cli.keys_command import list_keys

    list_keys(as_json=as_json, fields=fields)


@app.command()
def revoke(
    keys: Annotated[list[str], typer.Argument(metavar="KEY", help="Ids of keys, as `bakehouse keys list` lists them.")],
) -> None:
    """End API keys for good: within 5 s they are refused, and their streams and downloads are cut."""
    from bakehouse.cli.keys_command import revoke_keys

    revoke_keys(keys)


@app.command()
def rotate(
    key: KeyId,
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old key is still accepted: 24h, 30m, or 0.")
    ] = "24h",
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Print an API key that replaces another one, with the same name, scopes and lifetime."""
    from bakehouse.cli.keys_command import rotate_key

    rotate_key(key, overlap=overlap, expires=expires, as_json=as_json)


@app.command()
def off(
    yes: Annotated[bool, typer.Option("--yes", help="Delete all keys without asking.")] = False,
) -> None:
    """Delete all API keys, so that a service on 127.0.0.1 asks for none again."""
    from bakehouse.cli.keys_command import turn_keys_off

    turn_keys_off(is_sure=yes)
