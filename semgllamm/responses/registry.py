"""The families that can be estimated: the only list of them, and how their kernels are reached."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from difflib import get_close_matches
from functools import cache

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.responses import (
    adjacent,
    asymptotes,
    bernoulli,
    beta,
    binomial,
    censored,
    composite,
    gamma,
    gaussian,
    inversegaussian,
    multinomial,
    nbinom,
    ordinal,
    poisson,
    sequential,
    survival,
    zeros,
)
from semgllamm.responses.contract import Family
from semgllamm.responses.dispatch import address

__all__ = [
    "BINOMIAL_LOGIT", "COMPOSITE", "FAMILIES", "MULTINOMIAL", "SUMMED", "addresses", "all_concave", "composite_of",
    "links_of", "lookup", "names", "own_parameters", "terms", "value",
]  # fmt: skip

LISTED: tuple[Family, ...] = (
    *gaussian.FAMILIES,
    *bernoulli.FAMILIES,
    *binomial.FAMILIES,
    *poisson.FAMILIES,
    *ordinal.FAMILIES,
    *gamma.FAMILIES,
    *inversegaussian.FAMILIES,
    *nbinom.FAMILIES,
    *beta.FAMILIES,
    *survival.FAMILIES,
    *censored.FAMILIES,
    *zeros.FAMILIES,
    *multinomial.FAMILIES,
    *asymptotes.FAMILIES,
    *sequential.FAMILIES,
    *adjacent.FAMILIES,
)
# what the engine knows a family by: its place among the different pairs of kernels
_KERNELS = tuple(dict.fromkeys((family.value, family.terms) for family in LISTED))
FAMILIES = tuple(replace(family, code=_KERNELS.index((family.value, family.terms))) for family in LISTED)


def names() -> tuple[str, ...]:
    """Names of the families, in the order of the list."""
    return tuple(dict.fromkeys(family.name for family in FAMILIES))


def links_of(name: str) -> tuple[str, ...]:
    """Links of the family `name`."""
    return tuple(family.link for family in FAMILIES if family.name == name)


@cache
def lookup(name: str, link: str | None = None) -> Family:
    """The family `name` under `link`, or under its default link.

    Raises
    ------
    ModelError
        If there is none; the nearest names are suggested.
    """
    if name not in names():
        raise ModelError(f"there is no family '{name}'", remedy=_suggestion(name, names(), "Families"))
    for family in FAMILIES:
        if family.name == name and family.link == (link or family.default_link):
            return family
    raise ModelError(f"family '{name}' has no link '{link}'", remedy=_suggestion(link, links_of(name), "Its links"))


# responses of one trial under it are so frequent that the engine has their kernel built in
BINOMIAL_LOGIT = lookup("binomial", "logit").code
# alternatives of one answer, which the engine takes together
MULTINOMIAL = lookup("multinomial").code
# from this code on, rows of one answer whose mean is a sum over them
COMPOSITE = len(_KERNELS)
_COMPOSITES = composite.composites(FAMILIES, COMPOSITE)
_NOT_CONCAVE = frozenset(family.code for family in (*FAMILIES, *_COMPOSITES) if not family.log_concave)
_ENGINE = (*_KERNELS, *dict.fromkeys((family.value, family.terms) for family in _COMPOSITES))
# from this code on, cells of answers that are summed over classes; their families follow in the order of the others
SUMMED = len(_ENGINE)
_ALL_KERNELS = (*_ENGINE, *_KERNELS)


def composite_of(family: Family) -> Family:
    """The family of responses whose mean is a sum over rows with a linear predictor each.

    Raises
    ------
    ModelError
        If its link has no mean that could be summed.
    """
    for found in _COMPOSITES:
        if (found.name, found.link) == (family.name, family.link):
            return found
    raise ModelError(
        f"the mean of the family {family.name} is no sum over rows",
        remedy=f"Families with @composite: {', '.join(dict.fromkeys(f.name for f in _COMPOSITES))}.",
    )


def _suggestion(word: str, known: tuple[str, ...], what: str) -> str:
    near = get_close_matches(word, known, n=1)
    return (f"Did you mean {near[0]}? " if near else "") + f"{what}: {', '.join(known)}."


# ---------------------------------------------------------------------------------------------- their kernels


def value(code: int, y: float, n: float, nu: float, tau1: float, tau2: float):
    """log f and its derivative in ν, of the family with this code."""
    return _ALL_KERNELS[code][0](y, n, nu, tau1, tau2)


def terms(code: int, y: float, n: float, nu: float, tau1: float, tau2: float):
    """log f and all derivatives of the contract, of the family with this code."""
    return _ALL_KERNELS[code][1](y, n, nu, tau1, tau2)


def addresses(codes: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Addresses of `value` and `terms` by code, (codes,) int64 each; 0 for the codes that are not asked for."""
    table = np.zeros((2, len(_ALL_KERNELS)), dtype=np.int64)
    for code in codes:
        table[:, code] = _addresses(int(code))
    return table[0], table[1]


@cache
def _addresses(code: int) -> tuple[int, ...]:
    return tuple(address(kernel) for kernel in _ALL_KERNELS[code])


def all_concave(codes: Collection[int]) -> bool:
    """Whether log f of the families with these codes is concave in ν."""
    return set(codes).isdisjoint(_NOT_CONCAVE) and max(codes, default=0) < SUMMED


def own_parameters() -> np.ndarray:
    """How many own parameters the family with each code has, (codes,) int64."""
    own = np.zeros(len(_ALL_KERNELS), dtype=np.int64)
    for family in (*FAMILIES, *_COMPOSITES):
        own[family.code] = family.own
    own[SUMMED:] = own[: len(_KERNELS)]
    return own
