"""Several values in place of one."""

import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bakehouse.cli.changes import SeveralValues, read_changes
from bakehouse.cli.main import app

COMMAND = "bakehouse run recipe.json"


def proposal(*changes: str) -> str:
    """Returns what is proposed in place of the changes."""
    with pytest.raises(SeveralValues, match="several values are not a variant") as caught:
        read_changes(changes, command=COMMAND)
    return str(caught.value)


def commands(*changes: str) -> list[list[str]]:
    """Returns the options of each command that is proposed in place of the changes."""
    runs = proposal(*changes).partition("and compare them")[0]
    lines = [line.strip() for line in runs.splitlines() if line.startswith("  ")]
    assert all(line.startswith(COMMAND) for line in lines)
    return [shlex.split(line.removeprefix(COMMAND)) for line in lines]


@pytest.mark.parametrize(
    "changes",
    [
        ["norm=none,batch_norm"],
        ["norm=none, batch_norm"],
        ["norm=[none,batch_norm]"],
        ['norm=["none", "batch_norm"]'],
        ["norm=none", "norm=batch_norm"],
    ],
)
def test_several_values_are_run_by_a_command_each(changes: list[str]) -> None:
    assert commands(*changes) == [["--set", "norm=none"], ["--set", "norm=batch_norm"]]


def test_other_changes_are_in_every_command() -> None:
    assert commands("optimizer.lr=0.1,0.01", "name=my run") == [
        ["--set", "optimizer.lr=0.1", "--set", "name=my run"],
        ["--set", "optimizer.lr=0.01", "--set", "name=my run"],
    ]


def test_each_combination_has_a_command() -> None:
    assert len(commands("norm=none,layer_norm", "batch_size=32,64,128")) == 6


def test_the_runs_are_compared_by_what_differs() -> None:
    line = "  bakehouse compare --group-by norm --group-by optimizer.lr"
    assert proposal("norm=none,batch_norm", "epochs=3", "optimizer.lr=0.1,0.2").splitlines()[-1] == line
    assert "compare" not in proposal("seed=0,1,2")


def test_many_combinations_are_counted() -> None:
    with pytest.raises(SeveralValues, match="and 13 more"):
        read_changes(["epochs=1,2,3,4,5", "batch_size=1,2,3,4,5"], command=COMMAND)


@pytest.mark.parametrize("change", ["seed=0-2", "seed=0,1,2"])
def test_several_seeds_have_an_option_of_their_own(change: str) -> None:
    assert commands(change) == [["--seeds", "0,1,2"]]
    assert commands(change, "norm=none,layer_norm")[0] == ["--seeds", "0,1,2", "--set", "norm=none"]


@pytest.mark.parametrize(
    ("change", "as_list"),
    [
        ("architecture.hidden=64,64", "architecture.hidden=[64, 64]"),
        ("augmentation=random_crop,cutout", 'augmentation=["random_crop", "cutout"]'),
    ],
)
def test_a_field_with_a_list_can_have_all_values_in_one_run(change: str, as_list: str) -> None:
    assert commands(change)[-1] == ["--set", as_list]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("name=first, second", "first, second"),
        ("labels.for=you,me", "you,me"),
        ("dataset.target=width, cm", "width, cm"),
        ('augmentation=["random_crop", "cutout"]', ["random_crop", "cutout"]),
        ("architecture.hidden=[64, 64]", [64, 64]),
        ("norm=batch_norm", "batch_norm"),
    ],
)
def test_one_value_is_one_value(change: str, value: object) -> None:
    path = change.partition("=")[0]
    assert read_changes([change, change], command=COMMAND) == {path: value}


def test_each_field_has_an_option_of_its_own() -> None:
    with pytest.raises(typer.BadParameter, match=r"--set norm=batch_norm --set dropout\.rate=0\.5$"):
        read_changes(["norm=batch_norm, dropout.rate=0.5"], command=COMMAND)


def test_the_message_can_be_copied(tmp_path: Path) -> None:
    file = tmp_path / "my recipe.json"
    file.write_text('{"dataset": "digits", "architecture": "mlp"}')
    result = CliRunner().invoke(app, ["run", str(file), "--set", "norm=none,batch_norm", "--seeds", "0-4"])
    assert result.exit_code == 2
    assert f"  bakehouse run '{file}' --seeds 0-4 --set norm=none\n" in result.stderr
