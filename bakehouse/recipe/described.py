"""What the docstring of an ingredient says, in its parts.

The first sentence says what it does. Formulas stand in backticks, as `w <- w - lr g` does. Citations are an author, a
year and a place, wherever they stand. Paragraphs that begin with `Default:` say why a default is what it is, those that
begin with `Trap:` what misleads.
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
END_OF_SENTENCE = re.compile(r"(?<!et al)\.(?= [A-Z`(])")


@dataclass(frozen=True)
class DocstringParts:
    """A docstring in its parts."""

    sentence: str
    text: str
    """What follows it; paragraphs apart by empty lines, without those that are only citations."""
    formulas: tuple[str, ...]
    sources: tuple[str, ...]
    default: str | None
    traps: tuple[str, ...]


def described(kind: type[Ingredient]) -> DocstringParts:
    """Reads the docstring of a class."""
    paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(kind) or "").split("\n\n")]
    prose = [part for part in paragraphs if not is_remark(part)]
    end = END_OF_SENTENCE.search(prose[0])
    sentence = prose[0][: end.end()] if end else prose[0]
    said = "\n\n".join([part for part in prose if CITATION.sub("", part).strip(" ;.")])
    return DocstringParts(
        sentence=sentence,
        text=said[len(sentence) :].strip(),
        formulas=tuple(span for span in CODE.findall(said) if FORMULA.search(span)),
        sources=tuple(dict.fromkeys(CITATION.findall("\n".join(sorted(paragraphs, key=is_remark))))),
        default=" ".join(behind(DEFAULT, paragraphs)) or None,
        traps=tuple(behind(TRAP, paragraphs)),
    )


def is_remark(paragraph: str) -> bool:
    """On a default or a trap: whom these name comes after whom the ingredient is after."""
    return paragraph.startswith((DEFAULT, TRAP))


def behind(keyword: str, paragraphs: list[str]) -> list[str]:
    """The paragraphs that begin with a keyword, without it."""
    found = [part.removeprefix(keyword) for part in paragraphs if part.startswith(keyword)]
    return [part[0].upper() + part[1:] for part in found]
