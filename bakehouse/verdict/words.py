"""Words and numbers of verdicts."""


def percent(share: float) -> str:
    """Writes a share as a percentage: `97.9%`."""
    return f"{100 * share:.1f}%"


def value_of(metric: str, value: float) -> str:
    """Writes an accuracy as a percentage and any other metric with four digits."""
    return percent(value) if metric.endswith("accuracy") else f"{value:.4g}"


def name_of(metric: str) -> str:
    """Writes the name of a metric as words: `validation loss`."""
    return metric.replace("_", " ")


def rounded(number: float) -> float:
    """Rounds a number to two significant digits."""
    return float(f"{number:.2g}")
