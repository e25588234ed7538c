"""The `bakehouse` command. Results go to stdout, messages to stderr.

`bakehouse --help` answers at once, because this module and `commands` import little: each command imports what does its
work when it is called.
"""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bakehouse.cli.commands.actions import cancel, change, pause, resume, stop
from bakehouse.cli.commands.again import fork, rerun
from bakehouse.cli.commands.comparing import compare, diff, plot, what_if
from bakehouse.cli.commands.data import app as data_app
from bakehouse.cli.commands.experiment import app as experiment_app
from bakehouse.cli.commands.keys import app as keys_app
from bakehouse.cli.commands.listing import datasets, log, ls, show, workers
from bakehouse.cli.commands.recipes import completion, cookbook, explain, new
from bakehouse.cli.commands.serving import demo, doctor, serve, up, worker
from bakehouse.cli.commands.store import app as store_app
from bakehouse.cli.commands.training import lint, preview, run, train, verify, watch
from bakehouse.cli.commands.weights import best, code, predict, split
from bakehouse.cli.entry import print_interruption
from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.warning_lines import lines_for_warnings

# `bakehouse --help` lists them in this order.
COMMANDS = (
    up,
    demo,
    train,
    run,
    watch,
    verify,
    fork,
    rerun,
    ls,
    show,
    log,
    diff,
    compare,
    plot,
    what_if,
    best,
    predict,
    code,
    split,
    cancel,
    stop,
    pause,
    resume,
    change,
    new,
    cookbook,
    explain,
    lint,
    preview,
    datasets,
    workers,
    doctor,
    serve,
    worker,
    completion,
)

CODE = "`bakehouse code ID` prints a script that loads the weights in plain PyTorch and predicts: docs/plain_pytorch.md"
LIST = "`bakehouse ls` lists the runs"
GRID = "`bakehouse experiment grid RECIPE --axis /norm=none,batch_norm` compares all combinations of values"
KEYS = "`bakehouse keys create NAME` makes an API key: docs/keys.md"
SHOW = "`bakehouse show ID` shows a run"
INSTEAD = {
    "infer": "`bakehouse predict ID FILE` predicts for the rows of a file",
    "score": "`bakehouse predict ID FILE` predicts for the rows of a file",
    "export": CODE,
    "onnx": CODE,
    "evaluate": "`bakehouse code ID --evaluate` prints a script that computes the test metrics again",
    "test": "`bakehouse code ID --evaluate` prints a script that computes the test metrics again",
    "download": "`bakehouse best ID` downloads the best weights",
    "list": LIST,
    "ps": LIST,
    "runs": LIST,
    "status": SHOW,
    "info": SHOW,
    "logs": "`bakehouse log ID` prints what the training wrote, and `bakehouse watch ID` the metrics",
    "follow": "`bakehouse watch ID` follows a run",
    "submit": "`bakehouse run RECIPE` submits a recipe",
    "start": "`bakehouse up` starts the service, and `bakehouse run RECIPE` a run",
    "kill": "`bakehouse cancel ID` gives a run up, and `bakehouse stop ID` keeps its best weights",
    "retry": "`bakehouse rerun ID` trains the recipe of a run again",
    "init": "`bakehouse new` writes a recipe",
    "check": "`bakehouse lint RECIPE` checks a recipe",
    "sweep": GRID,
    "grid": GRID,
    "search": "`bakehouse experiment run FILE` runs a search: docs/experiments.md",
    "ablate": "`bakehouse experiment ablate RECIPE` asks what each ingredient is worth",
    "ablation": "`bakehouse experiment ablate RECIPE` asks what each ingredient is worth",
    "experiments": "`bakehouse experiment ls` lists the experiments",
    "import": "`bakehouse data add FILE` uploads a data set",
    "upload": "`bakehouse data add FILE` uploads a data set",
    "add": "`bakehouse data add FILE` uploads a data set",
    "login": KEYS,
    "user": KEYS,
    "users": KEYS,
    "key": KEYS,
    "token": KEYS,
}
"""Commands of other programs, and what does the same here."""


class Commands(TyperGroup):
    """Turns the errors of all commands into messages and exit codes; gives each command the option `--version`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        [version_option] = self.params
        # Its callback does all that it is for, and the functions of the commands do not take it.
        version_option.expose_value = False
        for command in self.commands.values():
            command.params.append(version_option)

    def get_help_option(self, ctx: Any) -> Any:
        # Typer imports pydantic to convert an option without a value.
        option: Any = super().get_help_option(ctx)
        option.default = False
        return option

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        # Typer cuts each description to a line.
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, (command.help or "").split("\n\n")[0]) for name, command in self.commands.items()]
            )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except typer.TyperException as error:
            if args[0] in INSTEAD:
                error.message = f"No such command {args[0]!r}: {INSTEAD[args[0]]}."
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            with lines_for_warnings():
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except BrokenPipeError:
            raise  # the reader of the output has ended, as in `bakehouse ls | head`; typer exits quietly
        except KeyboardInterrupt:
            print_interruption()
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except Exception as error:
            from bakehouse.cli.failures import is_reported, print_error

            if is_reported(error):
                raise typer.Exit(print_error(error)) from error
            # Any other error is a bug of ours and keeps its traceback.
            raise


app = typer.Typer(
    cls=Commands,
    help="Train recipes: submit them to a service, watch them train, download the best checkpoint.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Typer imports pydantic for these options, and rich for another form of help: each takes longer than all the rest.
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"bakehouse {version('bakehouse')}")
        raise typer.Exit


@app.callback()
def define_options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for command in COMMANDS:
    app.command()(command)
app.add_typer(experiment_app, name="experiment")
app.add_typer(data_app, name="data")
app.add_typer(keys_app, name="keys")
app.add_typer(store_app, name="store")
