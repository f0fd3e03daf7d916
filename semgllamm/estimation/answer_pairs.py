"""Answers of a group to the items that load on one latent variable alone, and products of their derivatives.

The sums and what they are made of are told in integration/patterns.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from semgllamm.integration import patterns

__all__ = ["ItemsOfAxis"]

ROOM = 3e7  # numbers that the counts of pairs may take


class ItemsOfAxis:
    """The items of one axis in one group.

    Parameters
    ----------
    code : (n, items) int array
        Answers of the group's units to these items, as rows of a `Bound`.
    place : sequence of slice
        The columns of derivatives of each item.
    rows : int
        Answers that the `Bound` has.

    Attributes
    ----------
    reference : (items,) int array
        The most frequent answer of each item, −1 if that is none.
    rest : (U,) int array
        The others that occur, item by item.
    of : (U,) int array
        Whose they are.
    """

    def __init__(self, code: np.ndarray, place: Sequence[slice], rows: int):
        self.code, self.place, self.columns = code, place, max((p.stop for p in place), default=0)
        reference, rest = [], []
        self._number = np.full((rows + 1, 1), -1, dtype=np.int64)
        self._missing = np.full(code.shape[1], -1, dtype=np.int64)
        for j, shifted in enumerate(np.ascontiguousarray(code.T) + 1):
            seen = np.bincount(shifted)
            # the most frequent answer leaves the fewest of the others
            reference.append(int(seen.argmax()) - 1)
            for r in np.flatnonzero(seen) - 1:
                if r == reference[-1]:
                    continue
                if r >= 0:
                    self._number[r] = len(rest)
                else:
                    self._missing[j] = len(rest)
                rest.append((j, int(r)))
        self.reference = np.array(reference, dtype=np.int64)
        self.rest = np.array([r for _, r in rest], dtype=np.int64)
        self.of = np.array([j for j, _ in rest], dtype=np.int64)

    @cached_property
    def other(self) -> np.ndarray:
        """Which of the others each answer is, (n, items), −1 if it is the most frequent."""
        number = self._number[:, 0][self.code]
        if (self._missing >= 0).any():
            number = np.where(self.code < 0, self._missing, number)
        return number

    @cached_property
    def given(self) -> np.ndarray:
        """1 where a unit gave one of the others, (n, U)."""
        return (self.other[:, self.of] == np.arange(len(self.of))).astype(float)

    def pairs_have_room(self, Q: int) -> bool:
        """Whether counts of all pairs of answers at Q nodes are not too many."""
        return len(self.rest) * (len(self.rest) + 1) // 2 * Q <= ROOM

    def squares(
        self, tables: Sequence[np.ndarray], weight: np.ndarray, kept: np.ndarray, window: np.ndarray,
        run: Callable[[Callable, int], None],
    ) -> np.ndarray:  # fmt: skip
        """Σ_i w_i E_i[xx'], (columns, columns).

        Parameters
        ----------
        tables : sequence of (width, Q) arrays
            The derivatives of each answer of the `Bound`.
        weight, kept, window : (n,), (n, Q) and (n, 2) arrays
            Weights of the units, their posteriors, and where these are not negligible.
        run : callable
            Calls a task(lo, hi, part) for ranges of the units, in so many parts.
        """
        Q, U = kept.shape[1], len(self.rest)
        size = U * (U + 1) // 2
        parts = int(np.clip(ROOM / 4 / max(size * Q, 1), 1, 8))
        counts = np.zeros((parts, size, Q))

        def count(lo: int, hi: int, part: int) -> None:
            listed = np.zeros(self.code.shape[1], dtype=np.int64)
            patterns.count_pairs(lo, hi, self.other, kept, window, weight, listed, counts[part])

        run(count, parts)
        pairs = counts[0]
        for more in counts[1:]:
            pairs += more
        base = np.zeros((self.columns, Q))
        for r, own in zip(self.reference, self.place):
            if r >= 0:
                base[own] = tables[r]
        width = np.array([p.stop - p.start for p in self.place], dtype=np.int64)[self.of]
        begin = np.array([p.start for p in self.place], dtype=np.int64)[self.of]
        delta = np.zeros((U, width.max(initial=0), Q))
        across = np.zeros((self.columns, self.columns))
        for k, (r, j) in enumerate(zip(self.rest, self.of)):
            own = self.place[j]
            delta[k, : width[k]] = (0.0 if r < 0 else tables[r]) - base[own]
            across[:, own] += base @ (pairs[k * (k + 1) // 2 + k] * delta[k, : width[k]]).T
        total = np.zeros_like(across)
        patterns.add_pairs(pairs, delta, width, begin, total)
        total = np.tril(total) + np.tril(total, -1).T
        return total + across + across.T + (base * (weight @ kept)) @ base.T
