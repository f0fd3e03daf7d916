"""Families as a diagram needs them: their default links, which have a residual, and who gives a response its family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import FamilyChoice, FamilySpec
from semgllamm.errors import ModelError

__all__ = ["DEFAULT_LINKS", "GAUSSIAN", "PROBIT", "family_in", "has_residual", "settle_families", "with_link"]

DEFAULT_LINKS = {
    "gaussian": "identity",
    "censored": "identity",
    "gamma": "reciprocal",
    "inversegaussian": "reciprocal",
    "poisson": "log",
    "negbinomial": "log",
    "exponential": "log",
    "weibull": "log",
}
GAUSSIAN = FamilySpec("gaussian", "identity")
PROBIT = FamilySpec("ordinal", "probit")


def with_link(family: FamilySpec) -> FamilySpec:
    """The family with its default link where none is named."""
    return family if family.link else replace(family, link=DEFAULT_LINKS.get(family.name, "logit"))


def has_residual(family: FamilySpec) -> bool:
    """Whether ``y ~~ y`` means something: a residual on the scale of the linear predictor."""
    return family.name in ("gaussian", "censored")


def family_in(diagram: PathDiagram, response: str) -> FamilySpec:
    """The family of a response, its link filled in; gaussian where none is chosen, ordinal(probit) with thresholds."""
    chosen = diagram.family_of(response)
    if chosen is not None:
        return with_link(chosen)
    return PROBIT if response in diagram.with_thresholds else GAUSSIAN


def settle_families(
    diagram: PathDiagram, ordered: Iterable[str], family: Mapping[str, str | FamilySpec] | str | FamilySpec | None
) -> PathDiagram:
    """The diagram with a family for each response that the text, the argument `family`, or `ordered` gives one.

    Raises
    ------
    ModelError
        If text and call disagree, or the call names no response.
    """
    responses = diagram.responses
    chosen = {choice.response: choice for choice in diagram.families}
    for name in ordered:
        if name not in responses:
            raise _no_response("ordered=", name, responses)
    ordered = {*ordered, *diagram.with_thresholds}
    if isinstance(family, Mapping):
        for name, named in family.items():
            spec = _spec(named)
            if name not in responses:
                raise _no_response("family=", name, responses)
            if name in chosen and not _same(chosen[name].family, spec):
                place = chosen[name].span or chosen[name].family.span
                written = f"{chosen[name].family.name}({with_link(chosen[name].family).link})"
                raise ModelError(
                    f"Two different families for '{name}': {written} here, {named} in family=",
                    text=diagram.text,
                    span=place,
                )
            chosen.setdefault(name, FamilyChoice(name, spec))
    elif family is not None:
        for name in responses:
            if name not in ordered:
                chosen.setdefault(name, FamilyChoice(name, _spec(family)))
    for name in responses:
        if name in ordered:
            chosen.setdefault(name, FamilyChoice(name, PROBIT))
    if len(chosen) == len(diagram.families):
        return diagram
    return replace(diagram, families=tuple(chosen.values()))


def _no_response(argument: str, name: str, responses: tuple[str, ...]) -> ModelError:
    near = get_close_matches(str(name), responses, n=1)
    remedy = f"Did you mean '{near[0]}'?" if near else f"Its responses: {', '.join(responses[:12])}."
    return ModelError(f"{argument} names '{name}', which is no response of the model", remedy=remedy)


def _same(one: FamilySpec, other: FamilySpec) -> bool:
    one, other = with_link(one), with_link(other)
    return (one.name, one.link) == (other.name, other.link) and (
        not one.options or not other.options or set(one.options) == set(other.options)
    )


def _spec(named: str | FamilySpec) -> FamilySpec:
    """``ordinal(probit)`` or ``censored(lower=0)`` as given in a call."""
    if isinstance(named, FamilySpec):
        return named
    read = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", str(named))
    if read is None:
        raise ModelError(f"family= cannot be {named!r}", remedy='Write it as in family="bernoulli(logit)".')
    link, options = None, []
    for argument in filter(None, (part.strip() for part in (read[2] or "").split(","))):
        key, equals, value = (piece.strip() for piece in argument.partition("="))
        if equals:
            options.append((key, float(value) if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", value) else value))
        else:
            link = key
    return FamilySpec(read[1], link, tuple(options))
