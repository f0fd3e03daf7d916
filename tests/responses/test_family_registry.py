"""One list of families: codes, names, suggestions, and dispatch to the family's own kernels."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from conftest import own_of, within
from exact_densities import DENSITIES

from semgllamm.errors import ModelError
from semgllamm.responses import registry


def test_names_and_links_are_unique_and_codes_stand_for_one_pair_of_kernels():
    assert len({(family.name, family.link) for family in registry.FAMILIES}) == len(registry.FAMILIES)
    kernels = {}
    for family in registry.FAMILIES:
        assert kernels.setdefault(family.code, (family.value, family.terms)) == (family.value, family.terms)
    assert len(set(kernels.values())) == len(kernels)


def test_the_code_reaches_the_kernels_of_the_family(family, cells):
    for response in cells:
        arguments = (response.y, response.n, within(family, 0.37), response.tau1, response.tau2)
        assert registry.value(family.code, *arguments) == family.value(*arguments)
        assert registry.terms(family.code, *arguments) == family.terms(*arguments)


def test_every_family_has_a_second_density_to_be_tested_against(family):
    assert family.name in DENSITIES, "write the density in tests/responses/exact_densities.py"


def test_lookup_takes_the_default_link(family):
    assert registry.lookup(family.name, family.link) is family
    default = registry.lookup(family.name)
    assert default.link == family.default_link
    assert default.link == registry.links_of(family.name)[0]


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ModelError, match=r"no family 'bernouli'\n.*Did you mean bernoulli\?"):
        registry.lookup("bernouli")
    with pytest.raises(ModelError, match=r"'ordinal' has no link 'probti'\n.*Did you mean probit\?"):
        registry.lookup("ordinal", "probti")
    with pytest.raises(ModelError, match=r"Its links: log, identity, sqrt\."):
        registry.lookup("poisson", "probit")


def test_latent_residuals_have_the_variance_of_their_link():
    variances = {"logit": math.pi**2 / 3, "probit": 1.0, "cloglog": math.pi**2 / 6, "loglog": math.pi**2 / 6}
    for family in registry.FAMILIES:
        threshold = family.name in ("bernoulli", "binomial", "ordinal")
        assert family.residual_variance == (variances.get(family.link) if threshold else None)


def test_families_travel_between_processes(family):
    there = pickle.loads(pickle.dumps(family))
    nu, own = np.array([-0.4, 1.2]), own_of(family)
    np.testing.assert_array_equal(there.mean(nu, own), family.mean(nu, own))
    assert (there.name, there.link, there.code) == (family.name, family.link, family.code)
