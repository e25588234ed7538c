"""The seeds of `--seeds`."""

import re
import sys

import typer

from bakehouse.model import JsonObject

SEEDS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
# A slip such as 0-99999 should not fill the queue.
MAX_SEEDS = 100
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def parse_seeds(text: str) -> list[int]:
    """Parses `0-4`, `7` or `0,3,8-9`."""
    if not SEEDS.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not of the form 0-4 or 0,3,7", param_hint="--seeds")
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        # A huge range is cut to just above the limit, so that it is refused without being built.
        seeds += range(int(first), min(int(last or first), int(first) + MAX_SEEDS) + 1)
    if not 0 < len(set(seeds)) <= MAX_SEEDS:
        raise typer.BadParameter(f"{text!r} does not give 1 to {MAX_SEEDS} seeds", param_hint="--seeds")
    return list(dict.fromkeys(seeds))


def repeat_for_seeds(document: JsonObject, seeds: str | None) -> list[JsonObject]:
    """Returns the recipe once for each seed of a text such as `0-4`, or as it is without a text."""
    return [{**document, "seed": seed} for seed in parse_seeds(seeds)] if seeds else [document]


def print_seeds_note(seeds: str | None) -> None:
    """Prints the note on stderr, if there is one."""
    if note := seeds_note(seeds):
        print(note, file=sys.stderr)


def seeds_note(seeds: str | None) -> str:
    """Returns a note for a single number, which may have been meant as the number of seeds; empty otherwise."""
    if seeds is None or not seeds.isdecimal() or int(seeds) < 2:
        return ""
    count = int(seeds)
    word = NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else f"{count:,}"
    return f"1 run, seed {count}; 0-{count - 1} is {word}"
