"""Which of our models a reference is compared with: by the rule of Coinglass's own, where known."""

from heatmap.build import DEFAULT_MODEL
from heatmap.engine import COINGLASS_3

RULES = {3: COINGLASS_3.name}
"""By Coinglass's model, the model of ours that draws its map as Coinglass does."""
MEANING = (
    "A pass means that our data and pipeline give the map that Coinglass's rule gives; it does not "
    "prove that the map is true."
)


def model_for(coinglass_model: int | None) -> str:
    """The name of our model for a reference of Coinglass's; the default where no rule is known."""
    return RULES.get(coinglass_model or 0, DEFAULT_MODEL)


def is_counted(coinglass_model: int | None) -> bool:
    """Whether a comparison says anything about data and pipeline: both maps are of one rule."""
    return coinglass_model in RULES


def meaning_for(coinglass_model: int | None) -> str:
    """What a comparison means and what it does not, in a sentence."""
    if is_counted(coinglass_model):
        return MEANING
    unknown = (
        f"The rule of Coinglass's model {coinglass_model} is not known"
        if coinglass_model
        else "It was not stated which of Coinglass's models this is"
    )
    return (
        f"{unknown}: the figures compare it with our model {DEFAULT_MODEL}, which is made "
        "otherwise, so they prove nothing about data and pipeline and the gate does not count them."
    )
