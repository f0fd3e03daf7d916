"""The switches of completion, in lavaan's names with underscores, and what each fitting function sets them to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches

from semgllamm.errors import ModelError

__all__ = ["FUNCTIONS", "Switches"]

FUNCTIONS = ("fit", "sem", "cfa", "growth", "lavaan")

EQUAL_KINDS = (
    "loadings", "composite.weights", "intercepts", "means", "thresholds", "regressions", "residuals",
    "residual.covariances", "lv.variances", "lv.covariances",
)  # fmt: skip
EFFECT_KINDS = ("loadings", "intercepts")


@dataclass(frozen=True)
class Switches:
    """What completion may add, free or fix.

    Attributes
    ----------
    std_lv : bool
        Latent variances are 1 and no loading is fixed.
    auto_fix_first : bool
        The first loading of each factor is 1.
    auto_fix_single : bool
        The only indicator of a factor has no residual.
    auto_cov_lv_x, auto_cov_y : bool
        Exogenous latent variables covary; so do dependents that predict nothing.
    auto_var, auto_th, auto_delta : bool
        Variances and thresholds are free; scales are, in later groups, where thresholds are equal.
    orthogonal, orthogonal_x, orthogonal_y : bool
        The covariances of latent variables that completion adds are 0.
    int_ov_free, int_lv_free : bool
        Intercepts of responses and means of latent variables are free.
    fixed_x : bool
        Exogenous covariates are conditioned on.
    conditional_x : bool or None
        Their moments stand outside the model altogether; None as lavaan: with ordinal responses.
    meanstructure : bool or None
        The model has intercepts; None where something in it needs them.
    group_equal, group_partial : tuple of str
        Kinds of parameters that groups share, and the names of those they do not.
    effect_coding : tuple of str
        "loadings" average 1, "intercepts" sum to 0.
    parameterization : str
        "delta" or "theta": whether scales or residual variances are free where thresholds are equal.
    """

    like: str = "fit"
    std_lv: bool = False
    auto_fix_first: bool = True
    auto_fix_single: bool = True
    auto_cov_lv_x: bool = True
    auto_cov_y: bool = True
    auto_var: bool = True
    auto_th: bool = True
    auto_delta: bool = True
    orthogonal: bool = False
    orthogonal_x: bool = False
    orthogonal_y: bool = False
    int_ov_free: bool = True
    int_lv_free: bool = False
    fixed_x: bool = True
    conditional_x: bool | None = None
    meanstructure: bool | None = None
    group_equal: tuple[str, ...] = ()
    group_partial: tuple[str, ...] = ()
    effect_coding: tuple[str, ...] = ()
    parameterization: str = "delta"

    @classmethod
    def of(cls, like: str, given: dict) -> Switches:
        """The switches of a fitting function, with those given put in their place.

        Raises
        ------
        ModelError
            For an unknown function, switch or value; the nearest known one is named.
        """
        if like not in FUNCTIONS:
            raise ModelError(f"There is no fitting function '{like}'", remedy=_nearest(like, FUNCTIONS))
        known = tuple(field.name for field in fields(cls) if field.name != "like")
        for name in given:
            if name not in known:
                raise ModelError(f"Unknown switch '{name}'", remedy=_nearest(name, known))
        given = {name: value for name, value in given.items() if value is not None}
        given |= {
            name: _words(given[name]) for name in ("group_equal", "group_partial", "effect_coding") if name in given
        }
        switches = replace(_as_called(like, given), **given)
        switches._check_values()
        switches._check_effects()
        return switches

    @property
    def as_fitted(self) -> bool:
        """Whether this is our own `fit`, which conditions on covariates and always has the means."""
        return self.like == "fit"

    def _check_values(self) -> None:
        flags = (field.name for field in fields(self) if field.type in ("bool", "bool | None"))
        for name in flags:
            if not isinstance(getattr(self, name), bool | None):
                raise ModelError(f"The switch {name} is True or False, not {getattr(self, name)!r}")
        for name, known in (("group_equal", EQUAL_KINDS), ("effect_coding", EFFECT_KINDS)):
            for word in getattr(self, name):
                if word not in known:
                    raise ModelError(f"{name} has no '{word}'", remedy=_nearest(word, known))
        if self.parameterization not in ("delta", "theta"):
            unknown = f"There is no parameterization '{self.parameterization}'"
            raise ModelError(unknown, remedy='It is "delta" or "theta".')
        if self.as_fitted and self.meanstructure is False:
            raise ModelError("fit() always has the means", remedy="Use sem() for a model without meanstructure.")


    def _check_effects(self) -> None:
        """Refuse what would be ignored."""
        if self.group_partial and not self.group_equal:
            raise ModelError(
                "group_partial is given, but no parameters are equal over groups",
                remedy='Say which are: group_equal=["loadings"].',
            )
        of_means = [kind for kind in self.group_equal if kind in ("intercepts", "means")]
        if self.meanstructure is False and of_means and self.group_equal != EQUAL_KINDS:
            raise ModelError(
                f"group_equal has '{of_means[0]}', and meanstructure=False leaves none", remedy="Leave one of them out."
            )
        if self.as_fitted and not self.fixed_x:
            raise ModelError(
                "fit() conditions on covariates: fixed_x=False is for sem()", remedy="Write x ~~ x to give x a density."
            )
        if self.as_fitted and (self.parameterization != "delta" or not self.auto_delta):
            name = "auto_delta" if self.parameterization == "delta" else "parameterization"
            raise ModelError(
                f"{name} is about the scales of ordinal responses, which fit() does not have",
                remedy="Leave it out: the residual variance of a probit is 1.",
            )


def _as_called(like: str, given: dict) -> Switches:
    """What the function sets, given what the user did."""
    if like == "lavaan":
        off = dict.fromkeys(("auto_fix_first", "auto_fix_single", "auto_cov_lv_x", "auto_cov_y"), False)
        off |= dict.fromkeys(("auto_var", "auto_th", "auto_delta", "int_ov_free"), False)
        return Switches(like, **off)
    has_scale = bool(given.get("std_lv")) or "loadings" in given.get("effect_coding", ())
    if like == "growth":
        return Switches(like, int_ov_free=False, int_lv_free=True, meanstructure=True, auto_fix_first=not has_scale)
    return Switches(like, meanstructure=True if like == "fit" else None, auto_fix_first=not has_scale)


def _words(value) -> tuple[str, ...]:
    """One word or several; True stands for both kinds of effect coding, "all" for every kind of equality."""
    if isinstance(value, bool):
        return EFFECT_KINDS if value else ()
    words = (value,) if isinstance(value, str) else tuple(value)
    if "all" in words:
        return EQUAL_KINDS
    dotted = {kind.replace(".", "_"): kind for kind in EQUAL_KINDS}
    return tuple(dotted.get(word, word) for word in words)


def _nearest(word: str, known: Iterable[str]) -> str:
    found = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean '{found[0]}'?" if found else f"Known: {', '.join(known)}."
