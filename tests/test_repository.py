"""Policies of the whole tree: pinned packages, lengths, names, words, and imports that are forbidden."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = sorted(path for part in ("bakehouse", "service", "worker") for path in (ROOT / part).rglob("*.py"))
# torch and what comes with it is the host's choice; the rest are tools that environments bring by themselves.
NOT_OURS_TO_PIN = re.compile(r"torch|triton|nvidia-.*|cuda-.*|bakehouse|pip|setuptools|wheel")
VAGUE = {"utils", "util", "helpers", "common", "misc"}
FOLDERS = ("bakehouse", "service", "worker", "docs", "cookbook", "bench", "tools", "tests")
# Metaphors for parts of Bakehouse that have a plain name in docs/words.md or in the field.
METAPHORS = re.compile(
    r"(?<![a-z])(nurser(y|ies)|doorbells?|ledgers?|filers?|happenings?|journals?|ovens?|bakery|bakers?|kitchens?|borders?)"
    r"(?![a-z])",
    re.IGNORECASE,
)
ALLOWED_PHRASES = {
    '"border"': "the name of a padding mode of torch's grid_sample",
    "border-bottom:": "a property of style sheets",
    "border-collapse:": "a property of style sheets",
    "Journal of": "the title of a scientific journal",
    "Baker et al. 2001": "an author in an invented docstring",
    "Miller & Baker 1998": "an author in an invented docstring",
    "`the oven` must be hot": "an invented docstring, about bread",
}


def dependencies(*groups: str) -> set[str]:
    """The names that `pyproject.toml` asks for, in the base and in these groups, groups inside groups included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for group in groups:
        wanted += project["optional-dependencies"][group]
    inner = [match[1].split(",") for line in wanted if (match := re.match(r"bakehouse\[(.+)\]", line))]
    names = {match[0].lower() for line in wanted if (match := re.match(r"[\w.-]+", line))}
    return (names - {"bakehouse"}).union(*(dependencies(*each) for each in inner))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, text: list[str]) -> int:
    """Lines of the body without its docstring, blank lines and comments."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    lines = text[body[0].lineno - 1 : node.end_lineno] if body else []
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def test_every_installed_package_that_is_ours_to_pin_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    installed = {re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower() for found in distributions()}
    assert {name for name in installed - pinned if not NOT_OURS_TO_PIN.fullmatch(name)} == set()


def test_the_pins_name_no_address_and_leave_torch_to_the_host() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|--hash|^(torch|triton|nvidia-|cuda-)", text, re.MULTILINE)


def test_the_service_needs_no_torch() -> None:
    assert not {"torch", "safetensors", "kornia"} & dependencies("service")
    assert "torch" in dependencies("home")


def test_the_demo_needs_no_tools() -> None:
    assert not {"pytest", "mypy", "ruff", "scikit-learn", "hypothesis"} & dependencies("home")


def test_importing_everything_outside_the_worker_imports_no_torch() -> None:
    paths = [path.relative_to(ROOT).with_suffix("") for path in CODE if path.parts[len(ROOT.parts)] != "worker"]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]
    program = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0


def test_no_file_is_longer_than_500_lines() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in CODE}
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_no_function_has_more_than_60_lines_of_code() -> None:
    long: dict[str, int] = {}
    for path in CODE:
        text = path.read_text().splitlines()
        long |= {f"{path}:{node.name}": lines for node in functions(path) if (lines := code_lines(node, text)) > 60}
    assert long == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in CODE if path.stem in VAGUE] == []


def test_no_text_uses_a_metaphor_that_has_a_plain_name() -> None:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    found = []
    for path in sorted([*paths, *ROOT.glob("*.md")]):
        # This file lists the words.
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for phrase in ALLOWED_PHRASES:
                line = line.replace(phrase, "")
            if match := METAPHORS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


def test_contributing_walks_are_short_and_name_what_exists() -> None:
    page = (ROOT / "docs" / "contributing.md").read_text()
    walks = page.split("\n## ")[1:]
    assert max(len([line for line in walk.splitlines()[1:] if line]) for walk in walks) < 15
    quoted = set(re.findall(r"`([^`\s]+)`", page))
    paths = {name for name in quoted if re.fullmatch(r"(bakehouse|worker|service|tests)/[\w/.]+", name)}
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
    sources = "\n".join(path.read_text() for path in [*CODE, *(ROOT / "tests").rglob("*.py")])
    names = {name for name in quoted - paths if re.fullmatch(r"[A-Za-z_]+", name)} - {"NAME", "FILE"}
    assert [name for name in names if not re.search(rf"\b{name}\b", sources)] == []
