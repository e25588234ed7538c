"""Writes the blocks of a report as Markdown, or as one HTML file that needs nothing else."""

import html
import re
from collections.abc import Sequence
from typing import assert_never

from bakehouse.experiments.report import Block, Code, Heading, Items, Paragraph, Picture, Table
from bakehouse.experiments.svg import printable

STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1c;--quiet:#5c5c5c;--paper:#fff;--line:#dcdcdc;--code:#f5f5f5}
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--quiet:#a8a8a8;--paper:#161616;--line:#3a3a3a;--code:#222}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;
padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem}
h1+p{font-size:1.1rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--line)}
td{min-width:3rem;max-width:24rem}
td{overflow-wrap:break-word}th{color:var(--quiet);font-weight:500;white-space:nowrap}
pre{background:var(--code);padding:.8rem;min-width:max-content;font-size:.8rem}
"""
# An underscore inside of a word means nothing.
SPECIAL = re.compile(r"([\\`*\[\]<>|#~$&]|(?<!\w)_|_(?!\w))")


def as_markdown(blocks: Sequence[Block]) -> str:
    """Returns a report as Markdown, without its pictures."""
    return "\n\n".join(block_as_markdown(block) for block in blocks if not isinstance(block, Picture)) + "\n"


def block_as_markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {plain(text)}"
        case Paragraph(text):
            return plain(text)
        case Items(texts):
            return "\n".join(f"- {plain(text)}" for text in texts)
        case Table(head, rows):
            lines = [head, ("---",) * len(head), *(tuple(map(plain, row)) for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Code(text, language):
            # Longer than any run of backticks inside.
            fence = "`" * (1 + max(2, *map(len, re.findall("`+", text)), 0))
            return f"{fence}{language}\n{text}\n{fence}"
        case Picture():
            raise AssertionError(block)
        case _:
            assert_never(block)


def plain(text: str) -> str:
    """Returns text without a meaning in Markdown, but for words in backticks."""
    parts = re.split(r"(`[^`|]+`)", printable(text))
    return "".join(part if index % 2 else SPECIAL.sub(r"\\\1", part) for index, part in enumerate(parts))


def as_html(blocks: Sequence[Block]) -> str:
    """Returns a report as one HTML file: styles and pictures are in it, and it loads and runs nothing."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(map(block_as_html, blocks))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def block_as_html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{with_code(text)}</p>"
        case Items(texts):
            return f"<ul>{''.join(f'<li>{with_code(text)}</li>' for text in texts)}</ul>"
        case Table(head, rows):
            return table_as_html(head, rows)
        case Code(text, _):
            return scrolling(f"<pre>{html.escape(text)}</pre>", "document")
        case Picture(svg):
            return scrolling(svg, "picture")
        case _:
            assert_never(block)


def table_as_html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    lines = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{titles}</tr></thead>\n<tbody>{lines}</tbody></table>"
    return scrolling(table, "table")


def scrolling(element: str, label: str) -> str:
    """Returns an element that scrolls, by the keyboard too, where the window is narrow."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{label}">{element}</div>'


def with_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def escape(text: str) -> str:
    return html.escape(printable(text))
