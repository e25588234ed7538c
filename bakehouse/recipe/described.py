"""Splits the docstring of an ingredient into its parts.

The first sentence says what the ingredient does. Formulas are in backticks, as `w <- w - lr g` is. Citations consist of
author, year and place, in any paragraph. A paragraph that begins with `Default:` gives the reason for a default, one
that begins with `Trap:` a common mistake.
"""

import inspect
import re
from dataclasses import dataclass

from bakehouse.recipe.ingredient import Ingredient

DEFAULT, TRAP = "Default: ", "Trap: "
CODE = re.compile(r"`([^`]+)`")
FORMULA = re.compile(r"\S[ ]?(=|<-|~|>|\^|\*|/|\+|\|| - )[ ]?\S")
AUTHORS_AND_YEAR = r"[A-Z][\w'-]+(?: & [A-Z][\w'-]+| et al\.)? (?:19|20)\d\d\b"
PLACE = r"(?:, (?:[A-Z\d]|arXiv|section|table|figure|algorithm|equation|lecture|appendix)(?:[^.,;:()]|\.(?=\d))*)*"
CITATION = re.compile(AUTHORS_AND_YEAR + PLACE)
# The dot of `et al.` does not end a sentence.
END_OF_SENTENCE = re.compile(r"(?<!et al)\.(?= [A-Z`(])")


@dataclass(frozen=True)
class DocstringParts:
    """The parts of an ingredient's docstring."""

    sentence: str
    text: str
    """The prose after the first sentence, without paragraphs that are only citations."""
    formulas: tuple[str, ...]
    sources: tuple[str, ...]
    default: str | None
    traps: tuple[str, ...]


def docstring_parts(kind: type[Ingredient]) -> DocstringParts:
    """Splits a class's docstring into its parts."""
    paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(kind) or "").split("\n\n")]
    prose = [part for part in paragraphs if not is_remark(part)]
    end = END_OF_SENTENCE.search(prose[0])
    sentence = prose[0][: end.end()] if end else prose[0]
    text = "\n\n".join(part for part in prose if CITATION.sub("", part).strip(" ;."))
    return DocstringParts(
        sentence=sentence,
        text=text[len(sentence) :].strip(),
        formulas=tuple(span for span in CODE.findall(text) if FORMULA.search(span)),
        # The sort is stable, and paragraphs without a keyword come first.
        sources=tuple(dict.fromkeys(CITATION.findall("\n".join(sorted(paragraphs, key=is_remark))))),
        default=" ".join(paragraphs_after(DEFAULT, paragraphs)) or None,
        traps=tuple(paragraphs_after(TRAP, paragraphs)),
    )


def is_remark(paragraph: str) -> bool:
    """Returns whether a paragraph is about a default or a trap. The sources of such paragraphs are listed last."""
    return paragraph.startswith((DEFAULT, TRAP))


def paragraphs_after(keyword: str, paragraphs: list[str]) -> list[str]:
    """Returns the paragraphs that begin with a keyword, without the keyword."""
    found = [part.removeprefix(keyword) for part in paragraphs if part.startswith(keyword)]
    return [part[0].upper() + part[1:] for part in found]
