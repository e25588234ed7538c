"""Finds the source of classes and functions in folders of `worker`, for scripts that print it. It does not import
torch."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain

from bakehouse.model import JsonObject


@dataclass(frozen=True)
class Definition:
    """A class, function or constant at the top of a file."""

    node: ast.stmt
    text: str
    names: frozenset[str]
    """All names that occur in the definition."""


@dataclass(frozen=True)
class Source:
    """The definitions in all files of a folder, no two of which define the same name."""

    definitions: Mapping[str, Definition]
    """Definitions by name, each after those that it needs when it is executed."""
    imports: Mapping[str, str]
    """For each imported name, the module that it comes from."""
    modules: Mapping[str, str]
    """For each name of an imported module, such as `np`, the statement that imports it."""

    def needed(self, names: Iterable[str]) -> dict[str, Definition]:
        """Returns the definitions of these names, and of all names that they use."""
        found: set[str] = set()
        waiting = set(names) & self.definitions.keys()
        while waiting:
            name = waiting.pop()
            found.add(name)
            waiting |= (self.definitions[name].names & self.definitions.keys()) - found
        return {name: definition for name, definition in self.definitions.items() if name in found}

    def import_lines(self, names: Iterable[str]) -> Iterator[str]:
        """Yields the import statements for those of the names that are imported."""
        names = set(names) - self.definitions.keys()
        yield from sorted({self.modules[name] for name in names & self.modules.keys()})
        by_module: dict[str, list[str]] = {}
        for name in sorted(names & self.imports.keys()):
            by_module.setdefault(self.imports[name], []).append(name)
        yield from (f"from {module} import {', '.join(by_module[module])}" for module in sorted(by_module))

    def defaults(self, name: str) -> JsonObject:
        """Returns the default arguments of a class's constructor or of a function."""
        function = self.signature(name)
        if function is None:
            return {}
        # In Python's syntax tree, the defaults belong to the last arguments.
        given = function.args.args[len(function.args.args) - len(function.args.defaults) :]
        pairs = [*zip(given, function.args.defaults, strict=True)]
        pairs += [
            (argument, default)
            for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            if default is not None
        ]
        return {argument.arg: ast.literal_eval(default) for argument, default in pairs}

    def signature(self, name: str) -> ast.FunctionDef | None:
        """Returns the function, or the class's constructor, which may be inherited; None if torch defines it."""
        node = self.definitions[name].node if name in self.definitions else None
        if not isinstance(node, ast.ClassDef):
            return node if isinstance(node, ast.FunctionDef) else None
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                return statement
        return next((self.signature(base.id) for base in node.bases if isinstance(base, ast.Name)), None)


# The installed files do not change while the process runs.
@cache
def read_source(*places: str) -> Source:
    """Reads files and all files of folders, by default those that define Bakehouse's own torch modules. A place is the
    name of a package and a path in it."""
    definitions: dict[str, Definition] = {}
    imports: dict[str, str] = {}
    modules: dict[str, str] = {}
    for file in chain.from_iterable(map(python_files, places or ("worker/model/modules",))):
        text = file.read_text(encoding="utf-8")
        definitions |= definitions_in(text)
        imports |= imports_in(text)
        modules |= modules_in(text)
    return Source(definitions, imports, modules)


def python_files(place: str) -> list[Traversable]:
    """Returns a file, or the files of a folder sorted by name, so that a script is the same on every machine."""
    package, *path = place.split("/")
    found = files(package).joinpath(*path)
    if found.is_file():
        return [found]
    inside = sorted(found.iterdir(), key=lambda file: file.name)
    return [file for file in inside if file.name.endswith(".py") and file.name != "__init__.py"]


def definitions_in(text: str) -> dict[str, Definition]:
    lines = text.splitlines()
    found: dict[str, Definition] = {}
    statements = ast.parse(text).body
    for statement, following in zip(statements, [*statements[1:], None], strict=True):
        name = defined_name(statement)
        if name is not None:
            # A string after a constant is its docstring, so a script prints it too.
            is_explained = isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(following, ast.Expr)
            last = following if is_explained and following is not None else statement
            names = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
            found[name] = Definition(statement, text_of(lines, statement, last), names)
    return found


def defined_name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return None


def text_of(lines: list[str], first: ast.stmt, last: ast.stmt) -> str:
    """Returns the lines of a definition with its decorators and the comments above it, but no comments for tools."""
    decorators = first.decorator_list if isinstance(first, ast.ClassDef | ast.FunctionDef) else []
    start = min([first.lineno, *(node.lineno for node in decorators)]) - 1
    while lines[start - 1].startswith("#"):
        start -= 1
    return re.sub(r"  # (type: ignore|noqa|fmt: skip).*", "", "\n".join(lines[start : last.end_lineno]))


def imports_in(text: str) -> dict[str, str]:
    return {
        alias.name: str(statement.module)
        for statement in ast.parse(text).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def modules_in(text: str) -> dict[str, str]:
    return {
        alias.asname or alias.name: ast.unparse(statement)
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Import)
        for alias in statement.names
    }
