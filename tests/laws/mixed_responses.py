"""Models whose responses are of different kinds: their texts, data drawn from them, and their log-likelihoods.

The log-likelihoods are written out from the definition of each model in plain NumPy: the latent variables of a unit are
summed out on a dense grid, ±8.5 standard deviations of a standard normal each, turned by the Cholesky factor of their
covariance matrix. Each generator gives (columns, truth); the log-likelihoods take the columns and any parameters, named
as in a parameter table.
"""

import numpy as np
from scipy import stats
from scipy.special import expit, log_ndtr, logsumexp, ndtr
from simulate import GRID, LOG_WEIGHT

MEASUREMENT_ERROR = """
    true =~ 1*fibre1 + 1*fibre2
    fibre1 ~~ e*fibre1
    fibre2 ~~ e*fibre2
    true ~ bus
    chd ~ true + bus                           @family(bernoulli(logit))
"""


def measurement_error(seed, n=1500):
    """An exposure measured once, and again in half of the persons, and a disease that depends on the true exposure."""
    rng = np.random.default_rng(seed)
    truth = {"e": 0.49, "true~bus": 0.5, "true~~true": 0.64, "fibre1~1": 3.0, "fibre2~1": 3.0, "chd~1": -1.0,
             "chd~true": -0.8, "chd~bus": 0.3}  # fmt: skip
    bus = rng.integers(0, 2, n)
    true = 0.5 * bus + 0.8 * rng.normal(size=n)
    fibre1, fibre2 = 3.0 + true + 0.7 * rng.normal(size=(2, n))
    fibre2[rng.random(n) < 0.5] = np.nan
    chd = (rng.random(n) < expit(-1.0 - 0.8 * true + 0.3 * bus)).astype(int)
    return {"bus": bus, "fibre1": fibre1, "fibre2": fibre2, "chd": chd}, truth


def measurement_error_loglik(data, values):
    true = values["true~bus"] * data["bus"][:, None] + np.sqrt(values["true~~true"]) * GRID
    terms = LOG_WEIGHT + np.zeros_like(true)
    for name in ("fibre1", "fibre2"):
        log_f = stats.norm.logpdf(data[name][:, None], values[f"{name}~1"] + true, np.sqrt(values["e"]))
        terms += np.where(np.isnan(data[name])[:, None], 0.0, log_f)
    nu = values["chd~1"] + values["chd~true"] * true + values["chd~bus"] * data["bus"][:, None]
    terms -= np.logaddexp(0, np.where(data["chd"] == 1, -1, 1)[:, None] * nu)
    return logsumexp(terms, axis=1).sum()


DROPOUT = """
    y ~ time + (1 + time | id)
    drop ~ time + id.intercept + id.time       @family(bernoulli(cloglog))
"""


def dropout(seed, n=300, waves=5):
    """Yearly measurements that end when a person leaves, sooner with a high intercept or slope."""
    rng = np.random.default_rng(seed)
    truth = {"y~1": 1.0, "y~time": 0.3, "y~~y": 0.36, "drop~1": -2.0, "drop~time": 0.1, "drop~id.intercept": 0.4,
             "drop~id.time": 1.2, "id.intercept~~id.intercept": 1.0, "id.intercept~~id.time": 0.1,
             "id.time~~id.time": 0.25}  # fmt: skip
    person, time = np.repeat(np.arange(n), waves), np.tile(np.arange(waves), n)
    b0, b1 = rng.multivariate_normal([0, 0], [[1.0, 0.1], [0.1, 0.25]], n).T
    y = 1.0 + 0.3 * time + b0[person] + b1[person] * time + 0.6 * rng.normal(size=n * waves)
    hazard = -np.expm1(-np.exp(-2.0 + 0.1 * time + 0.4 * b0[person] + 1.2 * b1[person]))
    leaves = (rng.random(n * waves) < hazard).reshape(n, waves)
    there = (np.cumsum(leaves, axis=1) - leaves == 0).ravel()  # up to and with the wave after which one leaves
    return {"id": person[there], "time": time[there], "y": y[there], "drop": 1 * leaves.ravel()[there]}, truth


def random_course(values):
    """Intercept and slope on the grid, and the logarithms of the weights."""
    Psi = [[values["id.intercept~~id.intercept"], values["id.intercept~~id.time"]],
           [values["id.intercept~~id.time"], values["id.time~~id.time"]]]  # fmt: skip
    C = np.linalg.cholesky(Psi)
    return C[0, 0] * GRID[:, None], C[1, 0] * GRID[:, None] + C[1, 1] * GRID, LOG_WEIGHT[:, None] + LOG_WEIGHT


def log_measurements(data, rows, values, b0, b1):
    """Log density of the measurements of a person, on the grid of intercept and slope."""
    total, sd = np.zeros(b1.shape), np.sqrt(values["y~~y"])
    for row in rows:
        mean = values["y~1"] + b0 + (values["y~time"] + b1) * data["time"][row]
        total += stats.norm.logpdf(data["y"][row], mean, sd)
    return total


def dropout_loglik(data, values):
    b0, b1, log_weight = random_course(values)
    total = 0.0
    for person in np.unique(data["id"]):
        rows = np.flatnonzero(data["id"] == person)
        terms = log_weight + log_measurements(data, rows, values, b0, b1)
        for row in rows:
            nu = values["drop~1"] + values["drop~time"] * data["time"][row]
            cumulative = np.exp(nu + values["drop~id.intercept"] * b0 + values["drop~id.time"] * b1)
            with np.errstate(divide="ignore"):  # far out on the grid a hazard is below the smallest number
                terms += np.log(-np.expm1(-cumulative)) if data["drop"][row] else -cumulative
        total += logsumexp(terms)
    return total


TREATMENT = """
    u =~ 1*visits + lambda*treat
    visits ~ treat + x                         @family(poisson)
    treat ~ z + x                              @family(bernoulli(probit))
"""


def treatment(seed, n=2000):
    """Visits to a doctor and a treatment that share what nobody measured; z moves the treatment alone."""
    rng = np.random.default_rng(seed)
    truth = {"lambda": 1.0, "visits~1": 0.5, "visits~treat": 0.4, "visits~x": 0.2, "treat~1": 0.2, "treat~z": 0.8,
             "treat~x": 0.3, "u~~u": 0.49}  # fmt: skip
    x, z = rng.normal(size=(2, n))
    u = 0.7 * rng.normal(size=n)
    treat = (0.2 + 0.8 * z + 0.3 * x + u + rng.normal(size=n) > 0).astype(int)
    visits = rng.poisson(np.exp(0.5 + 0.4 * treat + 0.2 * x + u))
    return {"visits": visits, "treat": treat, "x": x, "z": z}, truth


def treatment_loglik(data, values):
    x, z, treat, visits = (data[name][:, None] for name in ("x", "z", "treat", "visits"))
    u = np.sqrt(values["u~~u"]) * GRID
    log_mean = values["visits~1"] + values["visits~treat"] * treat + values["visits~x"] * x + u
    index = values["treat~1"] + values["treat~z"] * z + values["treat~x"] * x + values["lambda"] * u
    log_f = stats.poisson.logpmf(visits, np.exp(log_mean)) + log_ndtr(np.where(treat == 1, index, -index))
    return logsumexp(LOG_WEIGHT + log_f, axis=1).sum()


SURVIVAL = """
    y ~ time + (1 + time | id)
    @level(id)
    months ~ treat + id.intercept + id.time    @family(weibull) @event(died)
"""


def survival(seed, n=300):
    """Yearly measurements until death or the end of the study, and a survival time that depends on their course."""
    rng = np.random.default_rng(seed)
    truth = {"y~1": 1.0, "y~time": 0.3, "y~~y": 0.36, "months~1": 3.8, "months~treat": 0.3,
             "months~id.intercept": -0.3, "months~id.time": -0.8, "months@dispersion~1": np.log(1.5),
             "id.intercept~~id.intercept": 1.0, "id.intercept~~id.time": 0.1, "id.time~~id.time": 0.25}  # fmt: skip
    treat = rng.integers(0, 2, n)
    b0, b1 = rng.multivariate_normal([0, 0], [[1.0, 0.1], [0.1, 0.25]], n).T
    death = np.exp(3.8 + 0.3 * treat - 0.3 * b0 - 0.8 * b1) * rng.weibull(1.5, n)
    months, died = np.minimum(death, 60.0), 1 * (death < 60.0)
    person, time = np.repeat(np.arange(n), 5), np.tile(np.arange(5), n)
    y = 1.0 + 0.3 * time + b0[person] + b1[person] * time + 0.6 * rng.normal(size=5 * n)
    alive = 12 * time < months[person]
    data = {"id": person, "time": time, "y": y, "months": months[person], "died": died[person], "treat": treat[person]}
    return {name: column[alive] for name, column in data.items()}, truth


def survival_loglik(data, values):
    b0, b1, log_weight = random_course(values)
    shape, total = np.exp(values["months@dispersion~1"]), 0.0
    for person in np.unique(data["id"]):
        rows = np.flatnonzero(data["id"] == person)
        nu = values["months~1"] + values["months~treat"] * data["treat"][rows[0]]
        nu = nu + values["months~id.intercept"] * b0 + values["months~id.time"] * b1
        log_ratio = np.log(data["months"][rows[0]]) - nu
        terms = log_weight + log_measurements(data, rows, values, b0, b1) - np.exp(shape * log_ratio)
        if data["died"][rows[0]]:
            terms += np.log(shape) - nu + (shape - 1) * log_ratio
        total += logsumexp(terms)
    return total


DISTRESS = """
    distress =~ o1 + o2 + o3 + o4              @family(ordinal(probit))
    distress ~ age
    days ~ distress + age                      @family(negbinomial)
"""
LOADINGS = {"o1": 1.0, "o2": 0.8, "o3": 1.2, "o4": 0.6}


def distress(seed, n=1000):
    """Four ordinal items, the last not always answered, and days off work that depend on what the items measure."""
    rng = np.random.default_rng(seed)
    truth = {f"distress=~{item}": loading for item, loading in LOADINGS.items() if item != "o1"}
    truth |= {f"{item}|t{k}": kappa for item in LOADINGS for k, kappa in enumerate((-0.5, 0.5, 1.5), 1)}
    truth |= {"distress~age": 0.3, "distress~~distress": 1.0, "days~1": 0.5, "days~distress": 0.5, "days~age": 0.1,
              "days@dispersion~1": np.log(2.0)}  # fmt: skip
    age, eta = rng.normal(size=(2, n))
    eta = eta + 0.3 * age
    data = {item: 1.0 * np.digitize(loading * eta + rng.normal(size=n), [-0.5, 0.5, 1.5])
            for item, loading in LOADINGS.items()}  # fmt: skip
    data["o4"][rng.random(n) < 0.1] = np.nan
    mean = np.exp(0.5 + 0.5 * eta + 0.1 * age)
    return data | {"days": rng.poisson(mean * rng.gamma(2.0, 0.5, n)), "age": age}, truth


def distress_loglik(data, values):
    eta = values["distress~age"] * data["age"][:, None] + np.sqrt(values["distress~~distress"]) * GRID
    terms = LOG_WEIGHT + np.zeros_like(eta)
    for item in LOADINGS:
        kappa = np.array([-np.inf, *(values[f"{item}|t{k}"] for k in (1, 2, 3)), np.inf])
        seen = ~np.isnan(data[item])
        answer = data[item][seen].astype(int)[:, None]
        nu = values.get(f"distress=~{item}", 1.0) * eta[seen]
        upper, lower = kappa[answer + 1] - nu, kappa[answer] - nu
        # the difference of two probabilities near 1 is that of their complements
        flip = lower > 0
        upper, lower = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
        terms[seen] += np.log(ndtr(upper) - ndtr(lower))
    mean = np.exp(values["days~1"] + values["days~distress"] * eta + values["days~age"] * data["age"][:, None])
    size = np.exp(values["days@dispersion~1"])
    terms += stats.nbinom.logpmf(data["days"][:, None], size, size / (size + mean))
    return logsumexp(terms, axis=1).sum()


# name: text, generator, log-likelihood, points that resolve the posteriors to rounding
MIXED = {
    "covariate measured with error": (MEASUREMENT_ERROR, measurement_error, measurement_error_loglik, 25),
    "dependent dropout": (DROPOUT, dropout, dropout_loglik, 25),
    "endogenous treatment": (TREATMENT, treatment, treatment_loglik, 51),
    "longitudinal and survival": (SURVIVAL, survival, survival_loglik, 25),
    "counts and ordinal items": (DISTRESS, distress, distress_loglik, 25),
}  # fmt: skip
