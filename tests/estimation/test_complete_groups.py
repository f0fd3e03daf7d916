"""All groups of complete rows at once: log L, score and information are the sums over the groups."""

import numpy as np
import pytest

import semgllamm

FACTORS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\n"
MODELS = {
    "factors": (FACTORS, {"group": "school"}),
    "equal loadings and intercepts": (FACTORS, {"group": "school", "group_equal": ["loadings", "intercepts"]}),
    "one group": (FACTORS + "x1 ~~ x4", {}),
    "covariates": (FACTORS + "textual ~ a*visual + ageyr\nx2 ~ ageyr", {"group": "school"}),
    "a chain of paths": ("x4 ~ x5 + ageyr\nx5 ~ x6\nx6 ~ x7\nx7 ~ x8\nx8 ~ x9", {}),
    "feedback": ("x4 ~ x5 + x1\nx5 ~ x4 + x2\nx4 ~~ 0*x5", {}),
    "no means": (FACTORS, {"meanstructure": False}),
}


@pytest.mark.parametrize("name", MODELS)
def test_together_is_one_after_the_other(name):
    text, arguments = MODELS[name]
    fit = semgllamm.sem(text, semgllamm.load_dataset("holzinger"), **arguments)
    likelihood = fit.likelihood
    assert likelihood.together is not None
    away = 0.05 * np.random.default_rng(3).normal(size=likelihood.n_free)
    for free in (np.asarray(fit.free), np.asarray(fit.free) + away):
        apart = likelihood.at(free)
        here = likelihood.together.at(likelihood.inner(free))
        score, observed = here.derivatives
        assert here.loglik == pytest.approx(sum(e.loglik for e in apart), rel=1e-12)
        np.testing.assert_allclose(score, sum(e.score() for e in apart), atol=1e-9 * np.abs(observed).max())
        for found, expected in ((observed, False), (here.expected, True)):
            theirs = sum(e.information(expected) for e in apart)
            np.testing.assert_allclose(found, theirs, atol=1e-11 * np.abs(theirs).max())


def test_incomplete_rows_and_clusters_are_left_to_their_groups():
    data = semgllamm.load_dataset("holzinger")
    data = data.assign(x1=data.x1.where(data.x4 > 2))
    assert semgllamm.sem(FACTORS, data, missing="ml").likelihood.together is None
    levels = "level: 1\nf =~ y1 + y2 + y3\nlevel: 2\nb =~ y1 + y2 + y3"
    fit = semgllamm.sem(levels, semgllamm.load_dataset("demo_twolevel"), cluster="cluster")
    assert fit.likelihood.together is None
