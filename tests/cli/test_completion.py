"""`bakehouse completion`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bakehouse.cli.completion import completion_script

BASH = """
source ./script
COMP_WORDS=(bakehouse "$@")
COMP_CWORD=$#
_bakehouse_completion bakehouse
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("co", {"code", "compare", "completion"}),
        ("new spiral/mlp_3", {"spiral/mlp_32_32", "spiral/mlp_32_32_tanh"}),
        ("explain norm.group_norm.n", {"norm.group_norm.num_groups"}),
    ],
)
def test_bash_completes_commands_and_names(tmp_path: Path, words: str, completed: set[str]) -> None:
    (tmp_path / "script").write_text(completion_script("bash"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "-c", BASH, "-", *words.split()]
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert set(answer.stdout.split()) == completed


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_of_their_own(shell: str) -> None:
    script = completion_script(shell)
    assert "_BAKEHOUSE_COMPLETE=complete_" + shell in script
