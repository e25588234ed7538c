"""The `bakehouse` command. Data goes to stdout, talk to stderr."""

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from bakehouse.cli import home
from bakehouse.cli.code_command import code_of
from bakehouse.cli.demo import FILE, bake
from bakehouse.cli.failures import report
from bakehouse.cli.home import program
from bakehouse.cli.linting import lint_recipe, lint_text
from bakehouse.cli.local import train_here
from bakehouse.cli.recipes import load, seeds_of
from bakehouse.cli.show import show_run
from bakehouse.cli.tables import datasets_table, runs_table, workers_table
from bakehouse.cli.watch import say_ids, say_saved, watch_to_the_end
from bakehouse.client import Client, ClientError, ClientRun, Conflict, NotFound
from bakehouse.data.errors import DatasetError
from bakehouse.processes import HomeError
from bakehouse.recipe.problems import RecipeError
from bakehouse.runs.run import Status
from bakehouse.settings import Settings


class Commands(TyperGroup):
    """The one place where errors become exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # who reads our output went away: typer's business
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            raise typer.Exit(report(error)) from error
        except (ClientError, RecipeError, HomeError, DatasetError, OSError) as error:
            raise typer.Exit(report(error)) from error


app = typer.Typer(
    cls=Commands,
    help="Train recipes: POST them to a service, watch them, download the best checkpoint.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A JSON file, or - for standard input.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="run_ and 12 characters, as `bakehouse ls` shows them.")]
RunIds = Annotated[list[str], typer.Argument(metavar="ID", help="One or more runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, or one event a line.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change the recipe: norm=group_norm, optimizer.lr=0.01."),
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="A run for each seed: 0-4, or 0,3,7.")]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to watch; then exit with 124. The run goes on.")]


def in_a_folder(file: Path | None) -> Path | None:
    """Found out before hours of training, not after."""
    if file is not None and not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{file.parent} is no folder that can be written to")
    return file


OUTPUT = typer.Option(
    "-o",
    "--output",
    metavar="FILE",
    dir_okay=False,
    callback=in_a_folder,
    help="Where to save the best weights.",
)
File = Annotated[Path, OUTPUT]
Output = Annotated[Path | None, OUTPUT]
Folder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", file_okay=False, help="The folder of results.")
]


@app.command()
def up() -> None:
    """Start Redis, the service and the workers here, until Ctrl-C; state is kept in BAKEHOUSE_HOME."""
    home.up(Settings(), on_ready=say_up)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up after the end.")] = False,
    output: File = FILE,
) -> None:
    """Train two recipes side by side and show them; nothing stays behind but the best weights."""
    raise typer.Exit(bake(output, keep=keep))


@app.command()
def train(
    recipe: Recipe,
    output: Folder = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Train here, in one process, without a service; the same command goes on after an interruption."""
    need("torch", "worker")
    raise typer.Exit(train_here(load(recipe, changes or []), output, as_json=as_json))


@app.command()
def run(
    recipe: Recipe,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and do not watch.")] = False,
    changes: Changes = None,
    seeds: Seeds = None,
    output: Output = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Submit a recipe and watch it."""
    document = load(recipe, changes or [])
    documents = [{**document, "seed": seed} for seed in seeds_of(seeds)] if seeds else [document]
    if output is not None and (detach or len(documents) > 1):
        raise typer.BadParameter("needs one run that is watched", param_hint="--output")
    with Client() as client:
        runs = [client.submit(each) for each in documents]
        if detach:
            say_ids(runs, as_json=as_json)
        else:
            several = len(runs) > 1
            raise typer.Exit(watch_to_the_end(runs, timeout=timeout, as_json=as_json, output=output, seeds=several))


@app.command()
def watch(ids: RunIds, timeout: Timeout = None, as_json: AsJson = False) -> None:
    """Follow runs from their beginning to their end."""
    with Client() as client:
        runs = [client.run(each) for each in dict.fromkeys(ids)]
        raise typer.Exit(watch_to_the_end(runs, timeout=timeout, as_json=as_json))


@app.command()
def ls(
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY:VALUE", help="Only those with this label.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs."""
    with Client() as client:
        found = islice(client.runs(status=status, labels=labels_of(label or [])), limit)
        records = [each.record for each in found]
    if as_json:
        print(json.dumps({"data": [record.model_dump(mode="json") for record in records]}, ensure_ascii=False))
    else:
        print(runs_table(records))


@app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show a run: status, what its recipe says, best, metrics, checkpoints, advice."""
    with Client() as client:
        found = client.run(run_id)
        print(found.record.model_dump_json() if as_json else show_run(found))


@app.command()
def best(
    run_id: RunId,
    output: File = Path("best.safetensors"),
    as_json: AsJson = False,
) -> None:
    """Download the best weights: resumed where it was cut, verified, then renamed."""
    with Client() as client:
        found = client.run(run_id)
        checkpoint = found.best_checkpoint()
        found.download(checkpoint, output)
    say_saved(run_id, output, checkpoint, as_json=as_json)


@app.command()
def code(
    run_id: RunId,
    file: Annotated[Path, typer.Option(metavar="FILE", help="The weights that the script shall load.")] = Path(
        "best.safetensors"
    ),
) -> None:
    """Print a script that loads a run's weights into plain PyTorch, without Bakehouse."""
    with Client() as client:
        print(code_of(client.run(run_id), client, file), end="")


@app.command()
def cancel(ids: RunIds, as_json: AsJson = False) -> None:
    """End runs now; their checkpoints stay."""
    ask(ids, ClientRun.cancel, as_json=as_json)


@app.command()
def stop(ids: RunIds, as_json: AsJson = False) -> None:
    """Finish runs now and keep their best."""
    ask(ids, ClientRun.stop, as_json=as_json)


@app.command()
def pause(ids: RunIds, as_json: AsJson = False) -> None:
    """Give the runs' workers back until `resume`."""
    ask(ids, ClientRun.pause, as_json=as_json)


@app.command()
def resume(ids: RunIds, as_json: AsJson = False) -> None:
    """Go on with paused runs."""
    ask(ids, ClientRun.resume, as_json=as_json)


@app.command()
def lint(recipe: Recipe, changes: Changes = None, as_json: AsJson = False) -> None:
    """Say what is wrong with a recipe, and what the literature says of it; nothing is queued."""
    found = lint_recipe(load(recipe, changes or []), Settings())
    print(json.dumps(found, ensure_ascii=False) if as_json else lint_text(found))


@app.command()
def datasets(as_json: AsJson = False) -> None:
    """List the data sets that recipes can name."""
    with Client() as client:
        found = client.datasets()
    if as_json:
        print(json.dumps({"data": [each.model_dump(mode="json") for each in found]}, ensure_ascii=False))
    else:
        print(datasets_table(found))


@app.command()
def workers(as_json: AsJson = False) -> None:
    """List the workers: who is there, on what device, doing what."""
    with Client() as client:
        found = client.workers()
    if as_json:
        print(json.dumps({"data": [each.model_dump(mode="json") for each in found]}, ensure_ascii=False))
    else:
        print(workers_table(found))


@app.command()
def serve() -> None:
    """Run the HTTP service alone; it needs BAKEHOUSE_REDIS_URL."""
    need("fastapi", "service")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service"])  # noqa: S606 - no shell is wanted


@app.command()
def worker() -> None:
    """Run this machine's workers alone; they need BAKEHOUSE_REDIS_URL."""
    need("torch", "worker")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "worker.main"])  # noqa: S606 - no shell is wanted


def say_up(ready: home.Home) -> None:
    """The address is data."""
    print(ready.url, flush=True)
    elsewhere = "" if ready.url == Settings.model_construct().base_url else f"BAKEHOUSE_URL={ready.url} "
    home.say_on_stderr(f"up until Ctrl-C, logs in {ready.logs}\n  next: {elsewhere}{program()} run RECIPE")


def ask(ids: list[str], action: Callable[[ClientRun], ClientRun], *, as_json: bool) -> None:
    """One request a run; what one run refuses does not keep the others from it."""
    codes = []
    with Client() as client:
        for run_id in dict.fromkeys(ids):
            try:
                record = action(client.run(run_id)).record
            except (NotFound, Conflict) as error:
                codes.append(report(error))
                continue
            pending = f", asked to {record.request}" if record.request else ""
            print(record.model_dump_json() if as_json else f"{record.id}  {record.status}{pending}")
    if codes:
        raise typer.Exit(codes[0])


def labels_of(pairs: list[str]) -> dict[str, str]:
    """`owner:me` and the like."""
    if not all(":" in pair for pair in pairs):
        raise typer.BadParameter(f"{' '.join(pairs)} is not of the form key:value", param_hint="--label")
    return dict(pair.split(":", 1) for pair in pairs)


def need(package: str, extra: str) -> None:
    """Parts of Bakehouse are installed by name."""
    if find_spec(package) is None:
        raise typer.BadParameter(f"{package} is not installed here: pip install 'bakehouse[{extra}]'")
