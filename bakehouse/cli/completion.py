"""`bakehouse completion`: the script that completes commands and options in a shell, and the answers to that script."""

from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script

from bakehouse.cli.entry import COMPLETION_VARIABLE


def completion_script(shell: str) -> str:
    """Returns the script for `bash`, `zsh` or `fish`."""
    return get_completion_script(prog_name="bakehouse", complete_var=COMPLETION_VARIABLE, shell=shell)


def prepare_answer() -> None:
    """Lets typer answer the question of a script, which is in the environment, in place of running a command."""
    # typer does this by itself only together with its options `--install-completion` and `--show-completion`.
    completion_init()
