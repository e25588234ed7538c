"""Removes from texts for clients what they must not learn about the machine: paths outside the home, and passwords."""

import os
import re
from pathlib import Path

PATH = re.compile(
    # A path in quotes may contain spaces.
    r"""(?P<quote>["'`])(?P<quoted>/[^"'`:\n]+)(?P=quote)"""
    # Not after a word, as in `and/or`; after a scheme only the third slash, as in `file:///etc`; after a flag: `-I/`.
    r"""|(?:(?<![\w.~+/:-])/+|(?<=:)/(?!/)|(?<=://)/|(?<=-[A-Z])/)[^\s"'`<>:;,()\[\]{}|=/]"""
    r"""[^\s"'`<>:;,()\[\]{}|=]*"""
)
CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


def redact(text: str, home: Path) -> str:
    """Returns the text with the last part of each absolute path outside the home instead of the path, and without the
    names and passwords in addresses."""
    homes = {str(home), str(home.resolve())}

    def shorten(match: re.Match[str]) -> str:
        path = match["quoted"] or match[0]
        plain = os.path.normpath(path)
        if any(plain == each or plain.startswith(f"{each}/") for each in homes):
            return match[0]
        quote = match["quote"] or ""
        return f"{quote}{path.rstrip('/').rpartition('/')[2]}{quote}"

    return PATH.sub(shorten, CREDENTIALS.sub("", text))
