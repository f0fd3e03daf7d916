"""PathDiagram: what a model text says, before and after completion, and the questions one asks of it."""

from __future__ import annotations

from dataclasses import dataclass

from semgllamm.diagram.parts import (
    AuxiliaryPredictor,
    ColumnRole,
    Constraint,
    Definition,
    FamilyChoice,
    LatentDeclaration,
    Parameter,
    Path,
    RandomTerm,
)

__all__ = ["PathDiagram"]


@dataclass(frozen=True)
class PathDiagram:
    """A path diagram.

    Attributes
    ----------
    text : str
        The model text, for messages that quote it.
    paths : tuple of Path
        As written, in order.
    parameters : tuple of Parameter
        Empty until `semgllamm.diagram.defaults.complete` has run; then one row per cell, group and level, in lavaan's order.
    style : str
        "lavaan" if the text uses ``level:``, ``group:`` headers, "at" if it uses ``@`` headers or none.
    """

    text: str = ""
    paths: tuple[Path, ...] = ()
    random_terms: tuple[RandomTerm, ...] = ()
    definitions: tuple[Definition, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    families: tuple[FamilyChoice, ...] = ()
    latents: tuple[LatentDeclaration, ...] = ()
    predictors: tuple[AuxiliaryPredictor, ...] = ()
    columns: tuple[ColumnRole, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    style: str = "at"
    notes: tuple[str, ...] = ()
