"""Puts the built page into the wheel and the source distribution, so that their users need no Node.js."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).parent
sys.path.insert(0, str(WEB.parent))

from web.build import NotBuilt, build, node_on_path  # noqa: E402


class PageHook(BuildHookInterface[Any]):
    """Builds the page if Node.js is there; a build that was made before, as in an image's Node stage, serves too."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds `web/dist` to the files of the distribution."""
        if version == "editable":
            return
        page = WEB / "dist"
        try:
            # An image builds the page in a stage of its own, and has only the result here.
            if (WEB / "package-lock.json").is_file() and node_on_path():
                build()
        except NotBuilt as error:
            self.app.display_warning(f"The page is not new: {error}.")
        if page.is_dir():
            build_data["force_include"][str(page)] = "service/page" if self.target_name == "wheel" else "web/dist"
        else:
            self.app.display_warning("The page is left out; it needs Node.js 20.19 or newer with npm.")
