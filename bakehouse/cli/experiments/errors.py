"""The errors of the commands about experiments."""

from bakehouse.recipe.problems import RecipeInvalid


class ExperimentInvalid(RecipeInvalid):
    """Raised if the document of an experiment is refused without a service."""
