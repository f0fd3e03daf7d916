"""The families that can be estimated: the only list of them, and the two kernels by which the engine reaches them."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

from semgllamm.errors import ModelError
from semgllamm.responses import bernoulli, binomial, gaussian, ordinal, poisson
from semgllamm.responses.contract import Family
from semgllamm.responses.jit import kernel

__all__ = ["FAMILIES", "links_of", "lookup", "names", "terms", "value"]

FAMILIES: tuple[Family, ...] = (
    *gaussian.FAMILIES,
    *bernoulli.FAMILIES,
    *binomial.FAMILIES,
    *poisson.FAMILIES,
    *ordinal.FAMILIES,
)


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


def _suggestion(word: str, known: tuple[str, ...], what: str) -> str:
    near = get_close_matches(word, known, n=1)
    return (f"Did you mean {near[0]}? " if near else "") + f"{what}: {', '.join(known)}."


@kernel
def value(code, y, n, nu, tau1, tau2):
    """log f and its derivative in ν, of the family with this code."""
    if code == gaussian.CODE:
        return gaussian.value(y, n, nu, tau1, tau2)
    if code == binomial.LOGIT:
        return binomial.value_logit(y, n, nu, tau1, tau2)
    if code == binomial.PROBIT:
        return binomial.value_probit(y, n, nu, tau1, tau2)
    if code == binomial.CLOGLOG:
        return binomial.value_cloglog(y, n, nu, tau1, tau2)
    if code == poisson.CODE:
        return poisson.value(y, n, nu, tau1, tau2)
    if code == ordinal.LOGIT:
        return ordinal.value_logit(y, n, nu, tau1, tau2)
    if code == ordinal.PROBIT:
        return ordinal.value_probit(y, n, nu, tau1, tau2)
    return ordinal.value_cloglog(y, n, nu, tau1, tau2)


@kernel
def terms(code, y, n, nu, tau1, tau2):
    """log f and all derivatives of the contract, of the family with this code."""
    if code == gaussian.CODE:
        return gaussian.terms(y, n, nu, tau1, tau2)
    if code == binomial.LOGIT:
        return binomial.terms_logit(y, n, nu, tau1, tau2)
    if code == binomial.PROBIT:
        return binomial.terms_probit(y, n, nu, tau1, tau2)
    if code == binomial.CLOGLOG:
        return binomial.terms_cloglog(y, n, nu, tau1, tau2)
    if code == poisson.CODE:
        return poisson.terms(y, n, nu, tau1, tau2)
    if code == ordinal.LOGIT:
        return ordinal.terms_logit(y, n, nu, tau1, tau2)
    if code == ordinal.PROBIT:
        return ordinal.terms_probit(y, n, nu, tau1, tau2)
    return ordinal.terms_cloglog(y, n, nu, tau1, tau2)
