"""Gaussian models: one adaptive point is exact, and so are many; both are the closed form of the model's definition."""

import numpy as np
import pytest
from closed_form import log_density, structural
from walk import walk
from zoo import pupils, with_missing_cells


def all_agree(found, values, expected):
    free = found.free(values)
    for points in (1, 4):
        assert found.value(free, found.points(points)) == pytest.approx(expected, abs=1e-8)


def intercepts(*names):
    values = np.round(np.linspace(-0.4, 0.7, len(names)), 3)
    return values, {f"{name}~1": value for name, value in zip(names, values)}


def test_structural_equations_with_residual_covariances_and_missing_cells():
    data = with_missing_cells(pupils(8))
    text = """
        f =~ g1 + g2 + g3
        h =~ g4 + g5 + g6
        h ~ f + w
        f ~ v
        g2 ~ w
        g1 ~~ g4
        g2 ~~ g5
    """
    names = ["g1", "g2", "g3", "g4", "g5", "g6"]
    nu, values = intercepts(*names)
    Lambda = np.array([[1, 0], [0.8, 0], [1.2, 0], [0, 1], [0, 0.7], [0, 1.1]])
    theta = np.array([0.5, 0.6, 0.4, 0.7, 0.5, 0.3])
    Theta = np.diag(theta)
    Theta[0, 3] = Theta[3, 0] = 0.2
    Theta[1, 4] = Theta[4, 1] = -0.15
    A, Phi = structural(np.array([[0, 0], [0.6, 0]]), np.diag([0.9, 0.5]))
    covariance = Lambda @ Phi @ Lambda.T + Theta
    values |= {"f=~g2": 0.8, "f=~g3": 1.2, "h=~g5": 0.7, "h=~g6": 1.1, "h~f": 0.6, "h~w": 0.3, "f~v": -0.4,
               "g2~w": 0.25, "f~~f": 0.9, "h~~h": 0.5, "g1~~g4": 0.2, "g2~~g5": -0.15}  # fmt: skip
    values |= {f"{name}~~{name}": v for name, v in zip(names, theta)}
    expected = 0.0
    for row in data.to_dict("records"):
        eta = A @ [-0.4 * row["v"], 0.3 * row["w"]]
        direct = np.array([0, 0.25 * row["w"], 0, 0, 0, 0])
        expected += log_density([row[name] for name in names], nu + Lambda @ eta + direct, covariance)
    all_agree(walk(text, data), values, expected)


def test_two_groups_with_common_loadings():
    data = with_missing_cells(pupils(8))
    text = "f =~ g1 + c(p, p)*g2 + c(q, q)*g3"
    values, expected = {"p": 0.8, "q": 1.3}, 0.0
    Lambda = np.array([[1.0], [0.8], [1.3]])
    for k, (_, rows) in enumerate(data.groupby("half", sort=False)):
        suffix = "" if k == 0 else ".g2"
        nu, phi, theta = np.array([0.1, -0.2, 0.4]) + k, 0.7 + 0.4 * k, np.array([0.5, 0.6, 0.4]) + 0.1 * k
        for j, name in enumerate(["g1", "g2", "g3"]):
            values |= {f"{name}~1{suffix}": nu[j], f"{name}~~{name}{suffix}": theta[j]}
        values[f"f~~f{suffix}"] = phi
        covariance = phi * Lambda @ Lambda.T + np.diag(theta)
        expected += sum(log_density(y, nu, covariance) for y in rows[["g1", "g2", "g3"]].to_numpy())
    all_agree(walk(text, data, group="half"), values, expected)


def test_three_levels_with_random_slopes():
    data = pupils(8)
    text = "g1 ~ w + (1 + w | class) + (1 | school)"
    values = {"g1~1": 0.2, "g1~w": 0.5, "g1~~g1": 0.6, "class.intercept~~class.intercept": 0.4,
              "class.intercept~~class.w": 0.1, "class.w~~class.w": 0.3,
              "school.intercept~~school.intercept": 0.25}  # fmt: skip
    Psi = np.array([[0.4, 0.1], [0.1, 0.3]])
    expected = 0.0
    for _, school in data.groupby("school"):
        Z = np.column_stack([np.ones(len(school)), school["w"]])
        same_class = school["class"].to_numpy()[:, None] == school["class"].to_numpy()
        covariance = 0.25 + same_class * (Z @ Psi @ Z.T) + 0.6 * np.eye(len(school))
        expected += log_density(school["g1"], 0.2 + 0.5 * school["w"].to_numpy(), covariance)
    all_agree(walk(text, data), values, expected)


def test_multilevel_structural_equations():
    """Students in classes; g1–g3 measured on students, k1–k3 on classes, class_effect without measures."""
    data = with_missing_cells(pupils(8))
    data.loc[data["class"] == 3, "k2"] = np.nan
    text = """
        eta =~ g1 + g2 + g3
        eta ~ w + eta_class + 1*class_effect
        @level(class)
        eta_class =~ k1 + k2 + k3
        eta_class ~ x
        class_effect =~ 0
    """
    students, classes = ["g1", "g2", "g3"], ["k1", "k2", "k3"]
    nu, values = intercepts(*students, *classes)
    theta = np.array([0.5, 0.6, 0.4, 0.3, 0.45, 0.35])
    values |= {f"{name}~~{name}": v for name, v in zip([*students, *classes], theta)}
    values |= {"eta=~g2": 0.9, "eta=~g3": 1.2, "eta~w": 0.4, "eta~eta_class": 0.7, "eta_class=~k2": 1.1,
               "eta_class=~k3": 0.8, "eta_class~x": -0.3, "eta~~eta": 0.6, "eta_class~~eta_class": 0.5,
               "class_effect~~class_effect": 0.2}  # fmt: skip
    lam, lam_class = np.array([1, 0.9, 1.2]), np.array([1, 1.1, 0.8])
    between = 0.7**2 * 0.5 + 0.2
    expected = 0.0
    for _, rows in data.groupby("class"):
        n, x = len(rows), rows["x"].iloc[0]
        eta = 0.4 * rows["w"].to_numpy() + 0.7 * -0.3 * x
        mean = np.concatenate([(nu[:3] + np.outer(eta, lam)).ravel(), nu[3:] + lam_class * -0.3 * x])
        covariance = np.zeros((3 * n + 3, 3 * n + 3))
        covariance[: 3 * n, : 3 * n] = np.kron(between + 0.6 * np.eye(n), np.outer(lam, lam))
        covariance[3 * n :, 3 * n :] = 0.5 * np.outer(lam_class, lam_class)
        covariance[: 3 * n, 3 * n :] = 0.7 * 0.5 * np.outer(np.tile(lam, n), lam_class)
        covariance[3 * n :, : 3 * n] = covariance[: 3 * n, 3 * n :].T
        covariance += np.diag(np.concatenate([np.tile(theta[:3], n), theta[3:]]))
        y = np.concatenate([rows[students].to_numpy().ravel(), rows[classes].iloc[0]])
        expected += log_density(y, mean, covariance)
    all_agree(walk(text, data), values, expected)


def test_residuals_that_covary_with_disturbances():
    data = with_missing_cells(pupils(8))
    text = """
        f =~ g1 + g2
        h =~ g3 + g4
        h ~ f + w
        g5 ~ v
        g6 ~ 0.5*f
        g5 ~~ f + h
        g6 ~~ h
        g5 ~~ g6
    """
    names = ["g1", "g2", "g3", "g4", "g5", "g6"]
    nu, values = intercepts(*names)
    Lambda = np.array([[1, 0], [0.8, 0], [0, 1], [0, 0.7], [0, 0], [0.5, 0]])
    theta = np.array([0.5, 0.6, 0.4, 0.7, 0.5, 0.6])
    values |= {f"{name}~~{name}": v for name, v in zip(names, theta)}
    values |= {"f=~g2": 0.8, "h=~g4": 0.7, "h~f": 0.6, "h~w": 0.3, "g5~v": -0.2, "f~~f": 0.9, "h~~h": 0.5,
               "f~~g5": 0.2, "h~~g5": -0.3, "h~~g6": 0.25, "g5~~g6": 0.1}  # fmt: skip
    # (ζ', ε')' and its covariance matrix
    joint = np.zeros((8, 8))
    joint[:2, :2] = np.diag([0.9, 0.5])
    joint[2:, 2:] = np.diag(theta)
    joint[6, :2] = joint[:2, 6] = [0.2, -0.3]
    joint[7, 1] = joint[1, 7] = 0.25
    joint[6, 7] = joint[7, 6] = 0.1
    A, _ = structural(np.array([[0, 0], [0.6, 0]]), np.eye(2))
    onto = np.hstack([Lambda @ A, np.eye(6)])
    expected = 0.0
    for row in data.to_dict("records"):
        fixed = Lambda @ A @ [0, 0.3 * row["w"]] + np.array([0, 0, 0, 0, -0.2 * row["v"], 0])
        expected += log_density([row[name] for name in names], nu + fixed, onto @ joint @ onto.T)
    all_agree(walk(text, data), values, expected)
