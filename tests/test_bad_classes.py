"""Models and data with classes that cannot be: refused by name, with a remedy; and classes that come to nothing."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm import DataError, EstimationError, ModelError

BINARY = "@family(bernoulli(logit))"
ITEMS = f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 {BINARY}"


def sample(n=120) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    kind = rng.random(n) < 0.5
    data = pd.DataFrame({f"u{j}": 1.0 * (rng.random(n) < np.where(kind, 0.9, 0.2)) for j in range(1, 5)})
    data[["x", "y"]] = rng.normal(size=(n, 2))
    return data.assign(one=1.0, three=3, first=1, half=1.5, word=np.where(kind, "a", "b"), school=np.arange(n) // 5)


DATA = sample()


def known(column):
    return ITEMS.replace("classes(2)", f"classes(2), known={column}")


BAD = {
    "more classes than patterns": (
        f"@latent(c, classes(5))\nc =~ u1 + u2 {BINARY}", {}, EstimationError,
        r"14 parameters, and there are 4 different patterns", "Use fewer classes",
    ),
    "a class that there is not": (known("three"), {}, DataError, "column 'three', row 0: '3' is no class of 'c'",
                                  "Write 1 to 2"),
    "half a class": (known("half"), {}, DataError, "'1.5' is no class of 'c'", "leave others missing"),
    "a word": (known("word"), {}, DataError, "column 'word', row .: '[ab]' is no class of 'c'",
               r"a name of a class \(1, 2"),
    "nobody in a class": (known("first"), {}, DataError, "every class of 'c' is known, and nobody is in class 2",
                          "Leave the class out"),
    "no such column": (known("nope"), {}, DataError, "There is no column 'nope'", "The columns are"),
    "a constant predictor": (f"{ITEMS}\nc ~ one", {}, EstimationError,
                             r"c\[1\]~1, c\[1\]~one are not identified separately", "fix some of them"),
    "no class": (ITEMS.replace("(2)", "(0)"), {}, sg.ModelSyntaxError, "This is no number of classes",
                 "A whole number from 1"),
    "one class": (ITEMS.replace("(2)", "(1)"), {}, ModelError, "'c' with one class cannot be estimated",
                  "give it two classes"),
    "part of a class": (ITEMS.replace("(2)", "(2.5)"), {}, sg.ModelSyntaxError, "This is no number of classes",
                        "as in classes"),
    "starts of nothing": (f"u1 ~ x {BINARY}", {"n_starts": 3}, ModelError, "n_starts is for models with categorical",
                          "Leave it out"),
    "no starts": (ITEMS, {"n_starts": 0}, EstimationError, "n_starts cannot be 0", "1 or more"),
    "starts in words": (ITEMS, {"n_starts": "many"}, EstimationError, "n_starts cannot be 'many'", "1 or more"),
    "a block of nothing": (f"u1 ~ x {BINARY}\n@class(c, 1)\nu1 ~ 1", {}, ModelError,
                           "'c' is not declared as a categorical latent variable", r"@latent\(c, classes\(2\)\)"),
    "a block of a third class": (f"{ITEMS}\n@class(c, 3)\nu1 ~ x", {}, ModelError, "'c' has no class '3'",
                                 "Known: 1, 2"),
    "one location for all classes": (ITEMS.replace("=~ u1", "=~ 1*u1"), {}, ModelError,
                                     r"1\* would give 'u1' the same location in all classes of 'c'", "Leave it out"),
    "one label for all classes": ("@latent(c, classes(2))\ny ~ a*c + x", {}, ModelError,
                                  r"a\* would give 'y' the same location in all classes of 'c'", "Leave it out"),
    "a product": (f"{ITEMS}\nu1 ~ c:x", {}, ModelError, "the classes of 'c' have no products", r"a line @class\(c"),
    "a covariance": (f"{ITEMS}\nc ~~ u1", {}, ModelError, "the classes of 'c' have no variances", "c ~ w"),
    "a variance": (f"{ITEMS}\nc ~~ c", {}, ModelError, "the classes of 'c' have no variances", "c ~ w"),
    "a measure": (f"{ITEMS}\nf =~ y + c", {}, ModelError, "the classes of 'c' are no measure", "f ~ c"),
    "a factor as predictor": (f"{ITEMS}\nf =~ y\nc ~ f", {}, ModelError,
                              "depend on continuous latent variables of higher levels alone", "f ~ c"),
    "a random term of their own level": (f"@level(school)\n{ITEMS}\nc ~ (1 | school)", {}, ModelError,
                                         "vary over units of 'school', and nothing else", "above that of the classes"),
    "classes without effects": (f"@latent(c, classes(2))\nu1 ~ x {BINARY}", {}, ModelError,
                                "Nothing depends on the classes of 'c'", "c =~ u1"),
    "declared twice": (f"{ITEMS}\n@latent(c, classes(3))", {}, ModelError, "'c' is declared twice", "Keep one"),
    "itself": (f"{ITEMS}\nc ~ c", {}, ModelError, "'c' is regressed on itself", ""),
    "an estimator of moments": ("@latent(c, classes(2))\nc =~ y + x", {"estimator": "MLM"}, ModelError,
                                "for Gaussian models in closed form", "Use 'ML'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    text, arguments, kind, message, remedy = BAD[name]
    with pytest.raises(kind, match=message) as caught:
        sg.fit(text, DATA, **arguments)
    assert remedy == "" or pd.Series([str(caught.value)]).str.contains(remedy).all()


def test_methods_of_classes_need_classes():
    fit = sg.fit("y ~ x", DATA)
    for call in (fit.class_probabilities, fit.class_sizes, fit.class_profiles, fit.classification_table,
                 fit.bivariate_residuals, fit.plot_profiles, lambda: fit.distal("x")):  # fmt: skip
        with pytest.raises(ModelError, match="no categorical latent variable"):
            call()


def test_classes_that_come_to_nothing_are_told():
    rng = np.random.default_rng(4)
    # totals of three items that vary less than binomial ones: answers repel each other as no classes do
    total = rng.choice(4, 300, p=[0.05, 0.45, 0.45, 0.05])
    data = pd.DataFrame(1.0 * (rng.permuted(np.tile(np.arange(3), (300, 1)), axis=1) < total[:, None]))
    data.columns = ["u1", "u2", "u3"]
    text = "@family(u1 + u2 + u3, bernoulli(logit))\n@latent(c, classes(2))\n" + "\n".join(
        f"@class(c, {k})\nu1 + u2 + u3 ~ {label}*1" for k, label in ((1, "a"), (2, "b"))
    )  # fmt: skip
    with pytest.warns(sg.SemgllammWarning, match="there may be fewer classes"):
        fit = sg.fit(text, data, n_starts=3)
    told = [w for w in fit.warnings if "'c'" in w]
    assert told[0].endswith("there may be fewer classes")
    assert told[0] in str(fit.summary()).replace("\n   ", " ")
