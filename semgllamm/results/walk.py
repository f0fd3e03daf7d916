"""What a fit was called with, and what the walk from its text to its likelihood came by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semgllamm.data.binding import Binding
    from semgllamm.data.moments import SampleMoments
    from semgllamm.diagram.diagram import PathDiagram
    from semgllamm.estimation.settings import Request
    from semgllamm.model.constraints import Constraints

__all__ = ["Call", "Walk"]


@dataclass(frozen=True, slots=True)
class Call:
    """The call of a fitting function.

    Attributes
    ----------
    like : str
        The function.
    diagram : PathDiagram
        Of the text and its constraints, before completion.
    moments : SampleMoments or None
        In place of rows.
    arguments : mapping of str to object
        All that the walk to the likelihood takes: families, clusters, groups, switches of completion, settings, …
    read : callable
        Makes a diagram of a text.
    left_grid : bool
        Whether the fit gave up a shared grid for adaptive quadrature.
    """

    like: str
    diagram: PathDiagram
    moments: SampleMoments | None
    arguments: Mapping[str, Any]
    read: Callable[[str], PathDiagram]
    left_grid: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """The objects of the walk, from the diagram to the likelihood and its quadrature rule."""

    call: Call
    request: Request
    diagram: PathDiagram
    model: Any
    design: Any
    binding: Binding
    messages: tuple[str, ...]
    affine: Any
    likelihood: Any
    tree: Any
    rule: Any
    constraints: Constraints | None

    def without_grid(self, bind: Callable[..., tuple]) -> Walk:
        """The same walk to the likelihood of adaptive quadrature, which `bind` gives."""
        from semgllamm.estimation.settings import Adaptive

        likelihood, tree, rule = bind(
            self.diagram, self.model, self.design, self.affine, Adaptive(), self.call.arguments["settings"],
            self.request,
        )  # fmt: skip
        return replace(
            self, call=replace(self.call, left_grid=True), likelihood=likelihood, tree=tree, rule=rule
        )
