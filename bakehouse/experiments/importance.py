"""Says how much each place of a search matters. Imported when somebody asks, because Optuna takes seconds to load where
scikit-learn is installed, which it imports for other measures.
"""

from collections.abc import Mapping, Sequence

from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from bakehouse.experiments.sampling import study_of
from bakehouse.experiments.search import SearchQuestion, Trial


def importances(question: SearchQuestion, trials: Sequence[Trial], ends: Mapping[int, int]) -> dict[str, float]:
    """Returns the importance of each place by PED-ANOVA (Watanabe et al. 2023), the largest first; they add up to 1."""
    study = study_of(question, trials, ends)
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
