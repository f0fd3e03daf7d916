"""Summary: the report of a fit, ready to be shown as text, LaTeX or HTML."""

from __future__ import annotations

from dataclasses import dataclass

from semgllamm.tables import html, latex, text
from semgllamm.tables.table import Block

__all__ = ["Summary"]


@dataclass(frozen=True)
class Summary:
    """A printed report: ``print`` it, or ask for LaTeX or HTML; a notebook shows it by itself.

    Parameters
    ----------
    blocks : sequence of Block
        From `semgllamm.tables.contents.contents`.
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))

    def __str__(self) -> str:
        return text.render(self.blocks)

    __repr__ = __str__

    def to_latex(self) -> str:
        """LaTeX source to be \\input; it needs the packages booktabs and longtable."""
        return latex.render(self.blocks)

    def to_html(self) -> str:
        """A fragment of HTML."""
        return html.render(self.blocks)

    def _repr_html_(self) -> str:
        return self.to_html()
