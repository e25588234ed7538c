"""Refuses what cannot leave the padding of ragged sequences out."""

from collections.abc import Iterator

from bakehouse.plan.context import Context, check
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict


@check("recipe")
def architecture_reads_ragged_sequences(context: Context) -> Iterator[Problem]:
    """Refuses architectures with weights for each step, because shorter sequences do not have all steps."""
    architecture = context.recipe.architecture
    # Those that take no sequences at all are refused elsewhere.
    is_general = context.data.kind in architecture.takes and not isinstance(architecture, Rnn)
    if context.data.lengths is not None and is_general:
        message = f"{architecture.type} needs equally many steps; {context.card.id} is {context.data}"
        yield conflict("/architecture/type", message, ("rnn",))


@check("recipe")
def ragged_sequences_are_not_mixed(context: Context) -> Iterator[Problem]:
    """Refuses to mix two sequences, of which one has steps where the other has ended."""
    mixing = [(i, item) for i, item in enumerate(context.recipe.augmentation) if item.phase == "mixing"]
    for index, item in mixing if context.data.lengths is not None else ():
        message = f"{item.type} mixes steps of one sequence with those of another, which may have ended before; "
        yield conflict(f"/augmentation/{index}", f"{message}{context.card.id} is {context.data}", ("input_noise",))


@check("recipe")
def ragged_sequences_are_not_compiled(context: Context) -> Iterator[Problem]:
    """Refuses to compile for ragged sequences: each batch has another number of steps, and a compiler starts again."""
    if context.data.lengths is not None and context.recipe.compile == "on":
        message = f"{context.card.id} is {context.data}, so that each batch would be compiled again"
        yield conflict("/compile", message, ("auto", "off"))


@check("recipe")
def hints_see_all_steps(context: Context) -> Iterator[Problem]:
    """Refuses hints, which compare a layer's outputs number by number, padding included."""
    if context.data.lengths is not None and isinstance(context.recipe.pretraining, Hints):
        message = f"hints compare all outputs of two layers, and {context.card.id} is {context.data}"
        yield conflict("/pretraining/type", message, ("none", "transfer"))
