"""An experiment as HTML for notebooks: the answer in a sentence, the dot plot and the table, without scripts and
without content from other hosts."""

from bakehouse.client.async_experiment import ExperimentHandle
from bakehouse.experiments.answer import Results
from bakehouse.experiments.dot_plot import draw_dot_plot
from bakehouse.experiments.report import answer_table
from bakehouse.experiments.report_formats import block_as_html, escape


def experiment_html(experiment: ExperimentHandle, results: Results | None, *, note: str = "") -> str:
    """Returns a line about the experiment, and its answer; or a note in its place."""
    head = f"<code>{escape(repr(experiment))}</code>"
    if results is None:
        return f"<div>{head}<br/><em>{escape(note)}</em></div>"
    sentence = f"<p><strong>{escape(results.sentence)}</strong></p>"
    return f"<div>{head}{sentence}{draw_dot_plot(results)}{block_as_html(answer_table(results))}</div>"
