"""The source that scripts print, as it is found in the files of the torch modules."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from torch import nn

from bakehouse.plan.module_source import Source, read_source
from bakehouse.plan.script import STANDALONE as PLACES
from bakehouse.plan.script import TORCH_DEFAULTS
from worker.evaluation import standalone
from worker.model import modules

FILES = sorted(Path(str(modules.__file__)).parent.glob("[!_]*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_modules_import_torch_and_the_standard_library_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert [alias.name for alias in node.names] == ["torch"]
        if isinstance(node, ast.ImportFrom):
            root = str(node.module).split(".")[0]
            assert root == "torch" or root in sys.stdlib_module_names
            assert not any(alias.asname for alias in node.names)


def test_no_name_is_defined_in_two_files() -> None:
    names = [name for path in FILES for name in names_of(path)]
    assert len(names) == len(set(names))
    assert set(names) == set(read_source().definitions)


def names_of(path: Path) -> list[str]:
    module = import_module(f"worker.model.modules.{path.stem}")
    tree = ast.parse(path.read_text())
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return [name for name in vars(module) if name in bound and not name.startswith("__")]


@pytest.mark.parametrize("name", modules.__all__)
def test_what_is_printed_is_the_source_of_the_class_that_trains(name: str) -> None:
    text = read_source().definitions[name].text
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(inspect.getsource(getattr(modules, name))))


@pytest.mark.parametrize("name", [name for name in modules.__all__ if isinstance(getattr(modules, name), type)])
def test_defaults_are_those_of_the_constructor(name: str) -> None:
    parameters = inspect.signature(getattr(modules, name)).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    assert read_source().defaults(name).items() <= defaults.items()


@pytest.mark.parametrize("name", TORCH_DEFAULTS)
def test_options_that_are_left_out_have_torchs_defaults(name: str) -> None:
    parameters = inspect.signature(getattr(nn, name.removeprefix("nn."))).parameters
    assert {option: parameters[option].default for option in TORCH_DEFAULTS[name]} == TORCH_DEFAULTS[name]


def test_a_script_is_made_without_torch() -> None:
    code = """
import sys
from tests.plan.cards import image_card, planned
from bakehouse.plan.script import pytorch_code
norm = {"type": "batch_renorm", "placement": "after_activation"}
recipe = {"architecture": {"type": "cnn", "hidden": [8]}, "norm": norm, "dropout": "drop_connect"}
pytorch_code(planned(recipe, image_card(side=8)))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


STANDALONE = sorted(Path(str(standalone.__file__)).parent.glob("[!_]*.py"))


def test_a_definition_comes_after_those_that_it_needs_when_it_is_executed() -> None:
    source = read_source(*PLACES)
    scope: dict[str, object] = {}
    lines = list(source.import_lines(names_in(source)))
    assert not any("worker" in line or "bakehouse" in line for line in lines)
    exec("\n".join([*lines, *texts_of(source)]), scope)  # noqa: S102 - a script runs it
    assert source.definitions.keys() <= scope.keys()


def names_in(source: Source) -> set[str]:
    return {name for definition in source.definitions.values() for name in definition.names}


def texts_of(source: Source) -> list[str]:
    return [definition.text for definition in source.definitions.values()]


def test_no_name_is_defined_both_for_models_and_for_measurements() -> None:
    assert not read_source().definitions.keys() & read_source(*PLACES).definitions.keys()


@pytest.mark.parametrize("path", STANDALONE, ids=lambda path: path.stem)
def test_every_definition_of_a_measurement_is_printed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    defined |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.isupper()}
    assert defined - read_source(*PLACES).definitions.keys() == set()
