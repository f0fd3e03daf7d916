"""Composite links: responses with several rows, whose linear predictors add up to one mean (@composite)."""

from __future__ import annotations

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import ColumnRole
from semgllamm.errors import ModelError

__all__ = ["check_composites", "composite_of"]


def composite_of(diagram: PathDiagram, response: str) -> ColumnRole | None:
    """The @composite of a response, None if it has none."""
    return next((role for role in diagram.columns if (role.kind, role.target) == ("composite", response)), None)


def check_composites(diagram: PathDiagram) -> None:
    """Refuse @composite of a choice.

    Raises
    ------
    ModelError
    """
    for role in diagram.columns:
        if role.kind == "composite" and any(
            (other.kind, other.target) == ("alternatives", role.target) for other in diagram.columns
        ):
            raise ModelError(f"'{role.target}' has @composite and @alternatives", text=diagram.text, span=role.span,
                             remedy="A case is a choice, or a sum over its rows.")  # fmt: skip
