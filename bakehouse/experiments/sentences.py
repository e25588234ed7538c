"""Writes the answer of an experiment in words."""

from collections.abc import Sequence

from bakehouse.experiments.answer import ArmResult, Difference, Effect
from bakehouse.experiments.measured import ComparisonQuestion
from bakehouse.experiments.words import chosen_text, difference_text, value_text
from bakehouse.plurals import count_of
from bakehouse.recipe.evaluation import is_higher_better

MOST = 5
"""The number of arms that are told one by one; of more, only those with a clear effect."""


def answer_sentence(
    question: ComparisonQuestion, arms: Sequence[ArmResult], effects: Sequence[Effect], *, finished: int, runs: int
) -> str:
    """Returns the answer in one sentence or some, for a reader who sees nothing else."""
    answer = finding(question, arms, effects)
    if question.status in ("finished", "cancelled") or finished == runs:
        return " ".join(part for part in (cancelled_text(question), answer, failures_text(arms, runs)) if part)
    so_far = f"{finished:,} of {count_of(runs, 'run')} {'is' if finished == 1 else 'are'} finished"
    state = ", and the experiment is paused" if question.status == "paused" else ""
    failures = failures_text(arms, runs)
    return " ".join(part for part in (f"{so_far}{state}: {answer}", failures) if part)


def cancelled_text(question: ComparisonQuestion) -> str:
    return "The experiment was cancelled." if question.status == "cancelled" else ""


def failures_text(arms: Sequence[ArmResult], runs: int) -> str:
    """Returns how many runs have no value; of an experiment without any value, the first reason too."""
    failed = [run for arm in arms for run in arm.failed]
    if not failed:
        return ""
    if len(failed) == runs:
        return f"The first reason: {failed[0].message}"
    return f"{len(failed):,} of {count_of(runs, 'run')} {'has' if len(failed) == 1 else 'have'} no value."


def finding(question: ComparisonQuestion, arms: Sequence[ArmResult], effects: Sequence[Effect]) -> str:
    """Returns what the values say so far."""
    if not any(arm.values for arm in arms):
        return "No run has a value." if any(arm.failed for arm in arms) else "No run has a value yet."
    if question.design == "search":
        return search_sentence(question, arms)
    if question.design == "factorial" and effects:
        return effects_sentence(effects, question.metric)
    return arms_sentence(question, arms)


def search_sentence(question: ComparisonQuestion, arms: Sequence[ArmResult]) -> str:
    """Returns the best trial; once trials are confirmed, the best of these and how each compares with the recipe."""
    winners = [arm for arm in arms if arm.takes_part]
    measured = [arm for arm in winners if arm.values]
    if not measured:
        trials = [arm for arm in arms if arm.values and arm.name != question.baseline and not arm.pruned]
        found = [best_arm(trials, question.metric, "is best:")] if trials else []
        return " ".join([*found, *reasons(winners)]) or "No trial has a value yet."
    title = "has" if len(measured) == 1 else f"is the best of {len(measured)} confirmed trials:"
    is_compared = any(arm.difference is not None for arm in winners)
    compared = [arms_sentence(question, winners)] if is_compared else reasons(winners)
    return " ".join([best_arm(measured, question.metric, title), *compared])


def best_arm(arms: Sequence[ArmResult], metric: str, title: str) -> str:
    """Returns the arm with the best mean, of those with the most values: a trial that won by luck was not repeated."""
    most = max(arm.n for arm in arms)
    sign = 1 if is_higher_better(metric) else -1
    best = max((arm for arm in arms if arm.n == most), key=lambda arm: sign * (arm.mean or 0.0))
    assert best.mean is not None
    value = value_text(best.mean, best.interval, metric)
    chosen = f" ({chosen_text(best.differs)})" if best.differs else ""
    return f"{best.name}{chosen} {title} {metric} {value}, n = {most}."


def arms_sentence(question: ComparisonQuestion, arms: Sequence[ArmResult]) -> str:
    compared = [(arm, arm.difference) for arm in arms if arm.difference is not None]
    if not compared:
        return " ".join([*alone(arms, question.metric), *reasons(arms)])
    shown = compared if len(compared) <= MOST else clear_ones(compared)
    texts = [f"{subject(question, arm.name)}: {verdict_text(found, question.metric)}." for arm, found in shown]
    if rest := len(compared) - len(shown):
        texts.append(rest_text(rest, len(shown)))
    return " ".join([*with_notes(texts, [found for _, found in shown]), *reasons(arms)])


def alone(arms: Sequence[ArmResult], metric: str) -> list[str]:
    """Returns the means of arms that cannot be compared."""
    means = [(arm, arm.mean) for arm in arms if arm.mean is not None]
    texts = [f"{arm.name}: {metric} {value_text(mean, arm.interval, metric)}, n = {arm.n}." for arm, mean in means]
    more = len(texts) - MOST
    return (
        texts
        if more <= 0
        else [*texts[:MOST], f"{count_of(more, 'more arm')} {'has' if more == 1 else 'have'} values."]
    )


def reasons(arms: Sequence[ArmResult]) -> list[str]:
    """Returns why arms that are not simply waiting are not compared, each reason once, and two at most."""
    texts = (arm.not_compared for arm in arms if arm.values or arm.failed)
    return list(dict.fromkeys(text for text in texts if text is not None))[:2]


def with_notes(texts: Sequence[str], found: Sequence[Difference | Effect]) -> list[str]:
    """Returns sentences with the notes on them: one that all have comes once, after the last."""
    notes = [each.note for each in found]
    if len(set(notes)) == 1:
        return [*texts, *(note for note in notes[:1] if note)]
    # What is counted in the end has no note of its own.
    rest = list(texts[len(notes) :])
    return [f"{text} {note}" if note else text for text, note in zip(texts, notes, strict=False)] + rest


def clear_ones(compared: Sequence[tuple[ArmResult, Difference]]) -> list[tuple[ArmResult, Difference]]:
    """Returns the arms with a clear effect, the largest first; at most five."""
    clear = [(arm, found) for arm, found in compared if found.verdict != "no clear effect"]
    return sorted(clear, key=lambda pair: -abs(pair[1].mean))[:MOST]


def rest_text(rest: int, shown: int) -> str:
    if shown == 0:
        return f"None of {rest:,} arms has a clear effect."
    have = "has a smaller effect or none" if rest == 1 else "have smaller effects or none"
    return f"{count_of(rest, 'other arm')} {have}."


def subject(question: ComparisonQuestion, name: str) -> str:
    """Returns what a sentence is about: an ablation says by its name what was taken away."""
    if question.design == "ablation":
        return name[:1].upper() + name[1:]
    return f"{name} against {question.baseline}"


def verdict_text(found: Difference | Effect, metric: str) -> str:
    """Returns a verdict with its numbers: `better (+0.3 points, 0.1 to 0.5, n = 5)`."""
    return f"{found.verdict} ({difference_text(found, metric)})"


def effects_sentence(effects: Sequence[Effect], metric: str) -> str:
    """Returns the main effects, and of the interactions those that are clear."""
    main = [effect for effect in effects if effect.type == "main"]
    clear = [effect for effect in effects if effect.type == "interaction" and effect.verdict != "no clear effect"]
    texts = [f"{effect.ingredients[0]}: {verdict_text(effect, metric)}." for effect in main]
    texts += [f"{' with '.join(effect.ingredients)}: {together_text(effect, metric)}." for effect in clear]
    if not clear:
        texts.append("Their interaction is not clear." if len(main) == 2 else "No interaction of two is clear.")
    return " ".join(with_notes(texts, [*main, *clear]))


def together_text(effect: Effect, metric: str) -> str:
    return f"{effect.verdict} together than the sum of both effects ({difference_text(effect, metric)})"
