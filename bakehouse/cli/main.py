"""The `bakehouse` command. Results go to stdout, messages to stderr."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from bakehouse.cli.code_command import script_of
from bakehouse.cli.demo import DEFAULT_OUTPUT, run_demo
from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.failures import print_error
from bakehouse.cli.formats import format_status
from bakehouse.cli.home import home
from bakehouse.cli.home.errors import HomeError
from bakehouse.cli.home.home import program
from bakehouse.cli.local import lint_recipe, lint_text, train_locally
from bakehouse.cli.recipes import parse_seeds, read_document
from bakehouse.cli.show import run_page, verdict_text
from bakehouse.cli.tables import datasets_table, runs_table, workers_table
from bakehouse.cli.watch import watch_and_report
from bakehouse.client import Client, ClientError, ClientRun, Conflict, NotFound
from bakehouse.data.errors import DatasetError
from bakehouse.model import Model
from bakehouse.recipe.problems import RecipeError
from bakehouse.runs.run import Status
from bakehouse.settings import Settings


class Commands(TyperGroup):
    """Turns the errors of all commands into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader of the output has ended, as in `bakehouse ls | head`; typer exits quietly
        except ValidationError as error:
            # Any other ValidationError is a bug of ours and keeps its traceback.
            if error.title != Settings.__name__:
                raise
            raise typer.Exit(print_error(error)) from error
        except (ClientError, RecipeError, HomeError, DatasetError, OSError) as error:
            raise typer.Exit(print_error(error)) from error


app = typer.Typer(
    cls=Commands,
    help="Train recipes: submit them to a service, watch them train, download the best checkpoint.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A JSON file, or - for standard input.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id, as `bakehouse ls` lists it.")]
RunIds = Annotated[list[str], typer.Argument(metavar="ID", help="The ids of one or more runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EventsAsJson = Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Change a field of the recipe: norm=group_norm, optimizer.lr=0.01."
    ),
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Submit a run for each of these seeds: 0-4, or 0,3,7.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=0, help="Stop watching after this many seconds and exit with 124; the run continues."),
]


def require_folder(file: Path | None) -> Path | None:
    # A file that cannot be written should be reported before hours of training, not after.
    if file is not None and not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{file.parent} is not a folder in which files can be written")
    return file


OUTPUT = typer.Option(
    "-o",
    "--output",
    metavar="FILE",
    dir_okay=False,
    callback=require_folder,
    help="The file for the best weights.",
)
File = Annotated[Path, OUTPUT]
Output = Annotated[Path | None, OUTPUT]
Folder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", file_okay=False, help="The folder for the results.")
]


@app.command()
def up() -> None:
    """Run Redis, the service and the workers on this machine until Ctrl-C; all state is in BAKEHOUSE_HOME."""
    home.run_home(Settings(), on_ready=print_address)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the service running until Ctrl-C.")] = False,
    output: File = DEFAULT_OUTPUT,
) -> None:
    """Train two recipes side by side in a temporary home; only the best weights are kept."""
    raise typer.Exit(run_demo(output, keep=keep))


@app.command()
def train(
    recipe: Recipe,
    output: Folder = None,
    changes: Changes = None,
    as_json: EventsAsJson = False,
) -> None:
    """Train a recipe on this machine without a service; after an interruption the same command resumes."""
    require_package("torch", extra="worker")
    raise typer.Exit(train_locally(read_document(recipe, changes or []), output, as_json=as_json))


@app.command()
def run(
    recipe: Recipe,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and exit without watching.")] = False,
    changes: Changes = None,
    seeds: Seeds = None,
    output: Output = None,
    timeout: Timeout = None,
    as_json: EventsAsJson = False,
) -> None:
    """Submit a recipe to the service and watch it train."""
    document = read_document(recipe, changes or [])
    documents = [{**document, "seed": seed} for seed in parse_seeds(seeds)] if seeds else [document]
    if output is not None and (detach or len(documents) > 1):
        raise typer.BadParameter("works with a single run, and not with --detach", param_hint="--output")
    with Client() as client:
        runs = [client.submit(each) for each in documents]
        if detach:
            print_ids(runs, as_json=as_json)
            return
        code = watch_and_report(runs, timeout=timeout, as_json=as_json, output=output, by_seed=len(runs) > 1)
    raise typer.Exit(code)


@app.command()
def watch(ids: RunIds, timeout: Timeout = None, as_json: EventsAsJson = False) -> None:
    """Show runs from their first event until they are over."""
    with Client() as client:
        # An id that is given twice is watched once.
        runs = [client.run(run_id) for run_id in dict.fromkeys(ids)]
        code = watch_and_report(runs, timeout=timeout, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def verify(run_id: RunId, timeout: Timeout = None, as_json: AsJson = False) -> None:
    """Train a run again, killed and resumed half-way, and compare all weights and metrics to the bit."""
    with Client() as client:
        repeated = client.run(run_id).verify().wait(timeout)
    print(repeated.record.model_dump_json() if as_json else verdict_text(repeated.record))
    verdict = repeated.record.verification.verdict if repeated.record.verification else None
    raise typer.Exit(ExitCode.SUCCEEDED if verdict == "identical" else ExitCode.FAILED)


@app.command()
def ls(
    status: Annotated[Status | None, typer.Option(help="List only runs with this status.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY:VALUE", help="List only runs with this label.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many runs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs."""
    with Client() as client:
        runs = islice(client.runs(status=status, labels=parse_labels(label or [])), limit)
        records = [run.record for run in runs]
    print(list_as_json(records) if as_json else runs_table(records))


@app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show a run: its status, recipe, metrics, checkpoints and advice."""
    with Client() as client:
        run = client.run(run_id)
        print(run.record.model_dump_json() if as_json else run_page(run))


@app.command()
def best(
    run_id: RunId,
    output: File = Path("best.safetensors"),
    as_json: AsJson = False,
) -> None:
    """Download a run's best weights and verify their digest; an interrupted download resumes."""
    with Client() as client:
        run = client.run(run_id)
        checkpoint = run.best_checkpoint()
        run.download(checkpoint, output)
    if as_json:
        print(json.dumps({"file": str(output), **checkpoint.model_dump(mode="json")}))
        return
    print(output)
    print(
        f"epoch {checkpoint.epoch}, {checkpoint.bytes:,} bytes, sha256 {checkpoint.sha256}\n"
        f"  bakehouse code {run_id} --file {output}",
        file=sys.stderr,
    )


@app.command()
def code(
    run_id: RunId,
    file: Annotated[Path, typer.Option(metavar="FILE", help="The file of weights that the script loads.")] = Path(
        "best.safetensors"
    ),
) -> None:
    """Print a script that loads a run's weights in plain PyTorch, without Bakehouse."""
    with Client() as client:
        print(script_of(client.run(run_id), client, file), end="")


@app.command()
def cancel(ids: RunIds, as_json: AsJson = False) -> None:
    """End runs now; their checkpoints are kept."""
    request_action(ids, ClientRun.cancel, as_json=as_json)


@app.command()
def stop(ids: RunIds, as_json: AsJson = False) -> None:
    """Finish runs now, with their best weights as the result."""
    request_action(ids, ClientRun.stop, as_json=as_json)


@app.command()
def pause(ids: RunIds, as_json: AsJson = False) -> None:
    """Pause runs; their workers are free until `bakehouse resume`."""
    request_action(ids, ClientRun.pause, as_json=as_json)


@app.command()
def resume(ids: RunIds, as_json: AsJson = False) -> None:
    """Queue paused runs again; they continue where they were paused."""
    request_action(ids, ClientRun.resume, as_json=as_json)


@app.command()
def lint(recipe: Recipe, changes: Changes = None, as_json: AsJson = False) -> None:
    """Check a recipe without training it: its problems, its size, and advice from the literature."""
    report = lint_recipe(read_document(recipe, changes or []), Settings())
    print(json.dumps(report, ensure_ascii=False) if as_json else lint_text(report))


@app.command()
def datasets(as_json: AsJson = False) -> None:
    """List the data sets that a recipe can name."""
    with Client() as client:
        listings = client.datasets()
    print(list_as_json(listings) if as_json else datasets_table(listings))


@app.command()
def workers(as_json: AsJson = False) -> None:
    """List the workers with their devices and the runs that they train."""
    with Client() as client:
        records = client.workers()
    print(list_as_json(records) if as_json else workers_table(records))


@app.command()
def serve() -> None:
    """Run only the HTTP service; needs BAKEHOUSE_REDIS_URL."""
    require_package("fastapi", extra="service")
    # The service replaces this process, so that signals reach it directly.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service"])  # noqa: S606 - the arguments are a list, without a shell


@app.command()
def worker() -> None:
    """Run only this machine's workers; needs BAKEHOUSE_REDIS_URL."""
    require_package("torch", extra="worker")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "worker.main"])  # noqa: S606 - the arguments are a list, without a shell


def print_address(ready: home.Home) -> None:
    print(ready.url, flush=True)
    # Clients find the default address without a setting.
    is_default = ready.url == Settings.model_construct().base_url
    setting = "" if is_default else f"BAKEHOUSE_URL={ready.url} "
    home.say_on_stderr(f"running until Ctrl-C; logs are in {ready.logs}\n  next: {setting}{program()} run RECIPE")


def print_ids(runs: list[ClientRun], *, as_json: bool) -> None:
    if as_json:
        print(list_as_json([run.record for run in runs]))
        return
    ids = [run.id for run in runs]
    print("\n".join(ids))
    print(f"  bakehouse watch {' '.join(ids)}", file=sys.stderr)


def list_as_json(items: Sequence[Model]) -> str:
    return json.dumps({"data": [item.model_dump(mode="json") for item in items]}, ensure_ascii=False)


def request_action(ids: list[str], action: Callable[[ClientRun], ClientRun], *, as_json: bool) -> None:
    """Requests the action for each run, also after a run has refused it."""
    codes: list[ExitCode] = []
    with Client() as client:
        for run_id in dict.fromkeys(ids):
            try:
                record = action(client.run(run_id)).record
            except (NotFound, Conflict) as error:
                codes.append(print_error(error))
                continue
            status = format_status(record.status, record.request)
            print(record.model_dump_json() if as_json else f"{record.id}  {status}")
    if codes:
        raise typer.Exit(codes[0])


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """Parses labels of the form `owner:me`."""
    for pair in pairs:
        if ":" not in pair:
            raise typer.BadParameter(f"{pair!r} is not of the form key:value", param_hint="--label")
    return dict(pair.split(":", 1) for pair in pairs)


def require_package(package: str, *, extra: str) -> None:
    """Exits with the command to install if an optional part of Bakehouse is missing."""
    # `find_spec` does not import the package; an import of torch takes more than a second.
    if find_spec(package) is None:
        raise typer.BadParameter(f"{package} is not installed here: pip install 'bakehouse[{extra}]'")
