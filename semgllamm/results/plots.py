"""Plots of a fit, drawn by matplotlib, which is imported when the first is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.results.item_tables import grid_of, item_curves, item_information
from semgllamm.results.items import item_model, one_dimension, single_group
from semgllamm.results.simple_slopes import standard_deviation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from semgllamm.results.fit import Fit

__all__ = ["Plots", "axes_for"]


class Plots:
    """The plots of a fit, ``fit.plot``; each is drawn into `ax`, or into a new figure, and returns its axes."""

    def __init__(self, fit: Fit):
        self._fit = fit

    def icc(self, items: str | Sequence[str] | None = None, theta=None, ax: Axes | None = None) -> Axes:
        """Item characteristic curves: P(y = 1 | θ) of items with two categories, P(y = k | θ) of the others.

        Parameters
        ----------
        items : str or sequence of str, optional
            Only these.
        theta : array_like, optional
            By default three standard deviations to both sides of the mean.
        ax : matplotlib Axes, optional

        Raises
        ------
        ModelError
            As `Fit.item_curves`, for unknown items, and without matplotlib.
        """
        single_group(self._fit, "plots")
        curves = item_curves(self._fit, theta)
        known = list(dict.fromkeys(curves["item"]))
        wanted = known if items is None else [items] if isinstance(items, str) else list(items)
        for name in wanted:
            if name not in known:
                raise ModelError(f"there is no item '{name}'", remedy=f"Items: {', '.join(known)}.")
        ax = axes_for(ax)
        for name in wanted:
            mine = curves[curves["item"] == name]
            labels = list(dict.fromkeys(mine["category"]))
            for label in labels[1:] if len(labels) == 2 else labels:
                curve = mine[mine["category"] == label]
                ax.plot(curve["theta"], curve["probability"], label=name if len(labels) == 2 else f"{name}: {label}")
        ax.set(xlabel=item_model(self._fit).latents[0], ylabel="probability", ylim=(0, 1))
        ax.legend()
        return ax

    def information(self, theta=None, ax: Axes | None = None) -> Axes:
        """Information of the items and of the test; `theta` and `ax` as for `icc`."""
        single_group(self._fit, "plots")
        table = item_information(self._fit, theta)
        ax = axes_for(ax)
        for name in table.columns.drop(["theta", "test", "se"]):
            ax.plot(table["theta"], table[name], label=name)
        ax.plot(table["theta"], table["test"], color="black", label="test")
        ax.set(xlabel=item_model(self._fit).latents[0], ylabel="information", ylim=(0, None))
        ax.legend()
        return ax

    def wright(self, ax: Axes | None = None) -> Axes:
        """A Wright map: how often posterior means occur, and below them where the difficulties of the items lie."""
        fit = self._fit
        single_group(fit, "plots")
        items = item_model(fit)
        one_dimension(items, "Wright maps")
        table = fit.items(se=False)
        scores = fit.latent(se=False)[items.latents[0]]
        ax = axes_for(ax)
        ax.hist(scores, bins=30, color="lightgray")
        low = -0.06 * ax.get_ylim()[1]
        difficulties = [name for name in table.columns if name.startswith("b")]
        for k, row in enumerate(table.to_dict("records")):
            at = np.array([row[name] for name in difficulties])
            ax.plot(at, np.full(len(at), low * (k + 1)), "o-", markersize=4, color="black")
            ax.text(np.nanmax(at), low * (k + 1), f"  {row['item']}", va="center")
        ax.set_yticks([tick for tick in ax.get_yticks() if tick >= 0])
        reach = grid_of(items, None)
        ax.set(xlabel=items.latents[0], ylabel="units", xlim=(min(reach[0], *ax.get_xlim()), None))
        return ax

    def simple_slopes(
        self, outcome: str, focal: str, at: Mapping[str, Sequence[float]] | None = None, group: int = 1,
        level: float = 0.95, ax: Axes | None = None,
    ) -> Axes:  # fmt: skip
        """Interaction plot: how an outcome changes with a latent variable, a line for each row of `Fit.simple_slopes`.

        The lines go through zero at the mean of the latent variable, with bands of the slopes' confidence limits. Where
        it enters as a square the lines are the tangents at its mean.

        Parameters
        ----------
        outcome, focal, at, group, level
            As of `Fit.simple_slopes`.
        ax : matplotlib Axes, optional

        Raises
        ------
        ModelError
            As `Fit.simple_slopes`, and without matplotlib.
        """
        table = self._fit.simple_slopes(outcome, focal, at, group, level)
        places = list(table.columns[: list(table.columns).index("est")])
        ax = axes_for(ax)
        x = np.linspace(-2.0, 2.0, 41) * standard_deviation(self._fit, outcome, focal, group)
        for row in table.to_dict("records"):
            label = ", ".join(f"{name} at {row[name]:+g} SD" if row[name] else f"{name} at its mean" for name in places)
            (line,) = ax.plot(x, row["est"] * x, label=label)
            ax.fill_between(x, row["ci_lower"] * x, row["ci_upper"] * x, color=line.get_color(), alpha=0.15, lw=0)
        ax.set(xlabel=f"{focal} (from its mean)", ylabel=f"{outcome}: change with {focal}")
        ax.legend()
        return ax


def axes_for(ax):
    """The axes to draw into.

    Raises
    ------
    ModelError
        Without matplotlib.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as failure:
        raise ModelError(
            "plots need matplotlib, which is not installed", remedy="pip install 'semgllamm[plot]'"
        ) from failure
    return plt.subplots()[1]
