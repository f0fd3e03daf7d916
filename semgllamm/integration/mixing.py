"""The log-likelihood of a mixture from the log densities of its components, and who belongs to which.

Categorical latent variables stand at levels a = 0, 1, … (lowest first) above the units whose densities are known. With
h the classes of a unit and of all units above it, k its own and h' the ones above,

    A_j(h) = log π_j(k | h') + log f_j(h) + Σ_{units i in j} S_i(h),        S_j(h') = log Σ_k exp A_j(h),
    log L = Σ_j w_j S_j at the top,

and downwards the posterior probabilities

    p_j(h) = p_above(h') exp(A_j(h) − S_j(h')).

The classes h are numbered so that h = h' K + k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ClassLevel", "Mixing", "log_sum"]


def log_sum(x: np.ndarray) -> np.ndarray:
    """log Σ exp over the last axis; −∞ where all are."""
    # NumPy adds up a short last axis slowly, a first one fast
    x = np.ascontiguousarray(np.moveaxis(x, -1, 0))
    top = x.max(axis=0)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - safe).sum(axis=0)) + safe


@dataclass(frozen=True, eq=False)
class ClassLevel:
    """The units of one level of a mixture.

    Parameters
    ----------
    n : int
        Units.
    above : int
        Number of h', combinations of classes of the levels above.
    own : int
        Number of k.
    inside : (n,) int array, optional
        The unit of the next level that each is in; None at the top.
    unit, classes, component : (m,) int arrays
        Which log densities belong to which unit under which h: log f_j(h) is the sum of those of its components.
    """

    n: int
    above: int
    own: int
    inside: np.ndarray | None
    unit: np.ndarray
    classes: np.ndarray
    component: np.ndarray

    @property
    def width(self) -> int:
        """Number of h."""
        return self.above * self.own

    def densities(self, F: np.ndarray) -> np.ndarray:
        """log f_j(h), (n, h)."""
        total = np.bincount(self.unit * self.width + self.classes, F[self.component], self.n * self.width)
        return total.reshape(self.n, self.width)

    def added(self, slopes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """`slopes`, (n, h, q), and what the components of each unit add to them."""
        from scipy.sparse import csr_array

        place = self.unit * self.width + self.classes
        shape = self.n * self.width, len(scores)
        members = csr_array((np.ones(len(place)), (place, self.component)), shape)
        return slopes + (members @ scores).reshape(slopes.shape)

    def sums(self, A: np.ndarray) -> np.ndarray:
        """S_j(h'), (n, h')."""
        return log_sum(A.reshape(self.n, self.above, self.own))


class Mixing:
    """All levels of a mixture, lowest first, over a number of components with weights of the top units.

    Parameters
    ----------
    levels : sequence of ClassLevel
    components : int
    weight : (n,) array
        Of the units of the top level.
    """

    def __init__(self, levels, components: int, weight: np.ndarray):
        self.levels, self.components, self.weight = tuple(levels), components, weight

    def up(self, F: np.ndarray, log_pi: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """S of the top units, (n,), and for each level exp(A − S), (n, h), from log densities and log probabilities."""
        from_below, shares = None, []
        S = np.zeros((0, 1))
        for level, log_p in zip(self.levels, log_pi):
            A = log_p + level.densities(F)
            if from_below is not None:
                A += from_below
            S = level.sums(A)
            with np.errstate(invalid="ignore"):
                share = np.exp(A.reshape(level.n, level.above, level.own) - S[..., None])
            shares.append(np.nan_to_num(share.reshape(level.n, level.width)))
            if level.inside is not None:
                above = level.inside.max(initial=-1) + 1
                from_below = np.zeros((above, level.above))
                np.add.at(from_below, level.inside, S)
        return S[:, 0], shares

    def down(self, shares: list[np.ndarray]) -> list[np.ndarray]:
        """The posterior probabilities p_j(h) of each level, (n, h), without the weights of the top units."""
        out: list[np.ndarray] = []
        above = np.ones((self.levels[-1].n, 1))
        for level, share in zip(reversed(self.levels), reversed(shares)):
            p = above if level.inside is None else above[level.inside]
            here = (p[:, :, None] * share.reshape(level.n, level.above, level.own)).reshape(level.n, level.width)
            out.append(here)
            above = here
        return out[::-1]

    def unit_weights(self) -> list[np.ndarray]:
        """The weight of the top unit of each unit of each level, (n,)."""
        out = [self.weight]
        for level in reversed(self.levels[:-1]):
            out.append(out[-1][level.inside])
        return out[::-1]

    def component_weights(self, posterior: list[np.ndarray]) -> np.ndarray:
        """Σ w p_j(h) of the units that each component belongs to, (components,): ∂log L/∂F."""
        total = np.zeros(self.components)
        for level, p, w in zip(self.levels, posterior, self.unit_weights()):
            total += np.bincount(level.component, (w[:, None] * p)[level.unit, level.classes], self.components)
        return total

    def louis(
        self, shares: list[np.ndarray], posterior: list[np.ndarray], scores: np.ndarray, of_pi: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What not knowing the classes takes from the information, and the scores of the top units.

        Parameters
        ----------
        shares, posterior
            As from `up` and `down`.
        scores : (components, q) array
            ∂F/∂θ.
        of_pi : list of (n, h, q) arrays
            ∂log π_j(k | h')/∂θ.

        Returns
        -------
        lost : (q, q) array
            Σ_levels Σ_j w p(h') [Σ_k share g g' − s s'], with g the scores of A_j(h) and s those of S_j(h').
        top : (n, q) array
            The scores of S at the top.
        """
        q = scores.shape[1]
        lost, s = np.zeros((q, q)), np.zeros((0, 1, q))
        below = None
        for level, share, p, slopes, w in zip(self.levels, shares, posterior, of_pi, self.unit_weights()):
            g = level.added(slopes, scores)
            if below is not None:
                np.add.at(g, below, s)
            # Σ_k share g g' − s s' = Σ_k share (g − s)(g − s)'
            share = share.reshape(level.n, level.above, level.own)
            g = g.reshape(level.n, level.above, level.own, q)
            s = np.einsum("jhk,jhkq->jhq", share, g)
            off = (g - s[:, :, None, :]).reshape(-1, q)
            lost += (off * (w[:, None] * p).reshape(-1, 1)).T @ off
            below = level.inside
        return lost, s[:, 0]
