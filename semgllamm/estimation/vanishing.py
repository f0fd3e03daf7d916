"""Categories of nominal answers that nobody in a class gives, whose logits have no bound.

    P(y = k | c) = exp(f_k) / Σ_m exp(f_m),   f of the reference 0.

Where a category's probability goes to zero its f goes to −∞, and log L does not feel it any more. Where that is the
reference, all others' go to ∞ together: their differences are as well determined as any, and the direction in which all
of them move by the same has no information.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from semgllamm.estimation.mixture import MixtureLikelihood

__all__ = ["Vanishing", "vanishing"]

LOST = 12.0  # log of the odds at which a category is there no more


class Vanishing(NamedTuple):
    """What has no bound.

    Parameters
    ----------
    said : tuple of str
        Parameters without a standard error.
    held : tuple of str
        Those of them that log L does not feel.
    directions : (p, m) array
        Directions of length 1 in which other parameters have no bound.
    """

    said: tuple[str, ...]
    held: tuple[str, ...]
    directions: np.ndarray


def vanishing(likelihood: MixtureLikelihood, free: np.ndarray) -> Vanishing:
    """The logits of nominal answers, of which each is a parameter of its own, that have no bound."""
    model, working = likelihood.model, likelihood.working
    inner = working.inner(free)
    said: dict[int, None] = {}
    held: dict[int, None] = {}
    directions: dict[tuple[int, ...], None] = {}
    answers: dict[str, list[str]] = {}
    for response in model.responses:
        if response.answer and response.answer != response.name:
            answers.setdefault(response.answer, []).append(response.name)
    for group in model.groups:
        for names in answers.values():
            cells = {name: [c for c in group.beta if c.row == name] for name in names}
            loads = any(cell.row in cells for cell in (*group.Lambda, *group.products))
            if loads or any([c.column for c in found] not in ([], ["1"]) for found in cells.values()):
                continue
            at = [working.position(found[0]) if found and found[0].is_free else -1 for found in cells.values()]
            f = np.array([found[0].at(inner) if found else 0.0 for found in cells.values()])
            gone = f < f.max() - LOST
            reference = np.array(at) < 0
            if reference.sum() != 1 or not gone.any():
                continue
            own = [k for k, is_gone in zip(at, gone) if is_gone and k >= 0]
            held |= dict.fromkeys(own)
            if not gone[reference].any():
                said |= dict.fromkeys(own)
                continue
            said |= dict.fromkeys(k for k in at if k >= 0)
            rest = tuple(sorted(k for k, is_gone in zip(at, gone) if not is_gone))
            directions[rest] = None
    N = np.zeros((len(free), len(directions)))
    for column, rest in enumerate(directions):
        N[list(rest), column] = len(rest) ** -0.5
    named = [tuple(likelihood.names[k] for k in sorted(found)) for found in (said, held)]
    return Vanishing(*named, N)
