"""Data sets that ship with the package, each with the publication that it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING

from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DATASETS", "Dataset", "load_dataset"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """An embedded data set.

    Attributes
    ----------
    file : str
        Beside this module.
    description : str
    citation : str
    categorical : tuple of str
        Columns of numbers that stand for categories.
    """

    file: str
    description: str
    citation: str
    categorical: tuple[str, ...] = field(default=())


DATASETS: dict[str, Dataset] = {
    "lsat6": Dataset(
        file="lsat6.csv",
        description="Law School Admission Test, section 6: 1000 persons, five items y1 to y5 (1 = right).",
        citation="Bock, R. D. & Lieberman, M. (1970). Fitting a response model for n dichotomously scored items. "
        "Psychometrika, 35, 179-197.",
    ),
    "holzinger": Dataset(
        file="holzinger.csv",
        description="Ability tests of 301 pupils of two schools: x1 to x3 visual, x4 to x6 textual, x7 to x9 speed.",
        citation="Holzinger, K. J. & Swineford, F. (1939). A study in factor analysis: The stability of a bi-factor "
        "solution. Supplementary Educational Monographs, 48. University of Chicago. Nine of the tests, rescaled, as "
        "HolzingerSwineford1939 in R's lavaan (Rosseel, 2012, Journal of Statistical Software, 48(2), 1-36).",
    ),
    "sleepstudy": Dataset(
        file="sleepstudy.csv",
        description="Reaction times (ms) of 18 drivers over ten days of restricted sleep: Reaction, Days, Subject.",
        citation="Belenky, G., Wesensten, N. J., Thorne, D. R., Thomas, M. L., Sing, H. C., Redmond, D. P., Russo, "
        "M. B. & Balkin, T. J. (2003). Patterns of performance degradation and restoration during sleep restriction "
        "and subsequent recovery. Journal of Sleep Research, 12, 1-12. As in R's lme4.",
    ),
    "cbpp": Dataset(
        file="cbpp.csv",
        description="Contagious bovine pleuropneumonia: new cases (incidence) among size animals of 15 herds in four "
        "periods (a categorical column).",
        citation="Lesnoff, M., Laval, G., Bonnet, P., Abdicho, S., Workalemahu, A., Kifle, D., Peyraud, A., Lancelot, "
        "R. & Thiaucourt, F. (2004). Within-herd spread of contagious bovine pleuropneumonia in Ethiopian highlands. "
        "Preventive Veterinary Medicine, 64, 27-40. As in R's lme4.",
        categorical=("period",),
    ),
    "epil": Dataset(
        file="epil.csv",
        description="Seizures y of 59 epileptics in four two-week periods under placebo (trt 0) or progabide (trt 1). "
        "lbase and lage are the logarithms of the base count and of age, centred; lbase4 is log(base / 4), lbase4_trt "
        "its product with trt; V4 marks the fourth period; visit is -0.3, -0.1, 0.1, 0.3.",
        citation="Thall, P. F. & Vail, S. C. (1990). Some covariance models for longitudinal count data with "
        "overdispersion. Biometrics, 46, 657-671. Covariates as in Breslow, N. E. & Clayton, D. G. (1993). Approximate "
        "inference in generalized linear mixed models. Journal of the American Statistical Association, 88, 9-25.",
    ),
    "guatemala": Dataset(
        file="guatemala.csv.gz",
        description="Immunisation in Guatemala: whether each of 2159 children (of 1595 mothers in 161 communities) who "
        "had one immunisation received all (immun). kid2p: child aged two or more; mom25p: mother aged 25 or more; "
        "ord23, ord46, ord7p: birth order (first child omitted); indNoSpa, indSpa: indigenous without and with Spanish "
        "(Ladino omitted); momEdPri, momEdSec, husEdPri, husEdSec, husEdDK: education of mother and husband, primary, "
        "secondary, unknown (none omitted); momWork: mother ever worked; rural; pcInd81: share of indigenous "
        "inhabitants of the community in 1981.",
        citation="Rodríguez, G. & Goldman, N. (1995). An assessment of estimation procedures for multilevel models "
        "with binary responses. Journal of the Royal Statistical Society, Series A, 158, 73-89; Rodríguez, G. & "
        "Goldman, N. (2001). Improved estimation procedures for multilevel models with binary response: a case-study. "
        "Journal of the Royal Statistical Society, Series A, 164, 339-355. As guImmun in R's mlmRev.",
    ),
    "political_democracy": Dataset(
        file="political_democracy.csv",
        description="Political democracy in 75 developing countries. y1 to y4: press freedom, freedom of political "
        "opposition, fairness of elections and effectiveness of the elected legislature in 1960; y5 to y8: the same in "
        "1965; x1 to x3: gross national product per capita, energy consumption per capita and the share of the labour "
        "force in industry in 1960, on transformed scales.",
        citation="Bollen, K. A. (1989). Structural equations with latent variables. New York: Wiley. As "
        "PoliticalDemocracy in R's lavaan (Rosseel, 2012, Journal of Statistical Software, 48(2), 1-36).",
    ),
    "demo_growth": Dataset(
        file="demo_growth.csv",
        description="Artificial: t1 to t4, an outcome of 400 units at four equally spaced times; x1, x2: covariates of "
        "the units; c1 to c4: a covariate at each time.",
        citation="Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. Journal of Statistical "
        "Software, 48(2), 1-36. Demo.growth there.",
    ),
    "demo_twolevel": Dataset(
        file="demo_twolevel.csv.gz",
        description="Artificial: 2500 units in 200 clusters of 5 to 20 (cluster). y1 to y6: continuous responses that "
        "vary on both levels; x1 to x3: covariates of the units; w1, w2: covariates of the clusters.",
        citation="Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. Journal of Statistical "
        "Software, 48(2), 1-36. Demo.twolevel in later versions of the package.",
    ),
    "facial_burns": Dataset(
        file="facial_burns.csv",
        description="Functioning of 77 patients of a Dutch burn centre with facial burns: Selfesteem (Rosenberg's "
        "scale), HADS (symptoms of anxiety and depression), Age in years, TBSA (total burned surface area), RUM "
        "(rumination) and Sex (1, 2).",
        citation="Collected in the Dutch burn centres (Association of Dutch Burn Centres). As FacialBurns in R's "
        "lavaan (Rosseel, 2012, Journal of Statistical Software, 48(2), 1-36).",
    ),
}


def load_dataset(name: str) -> pd.DataFrame:
    """An embedded data set, as a new DataFrame.

    Parameters
    ----------
    name : str
        One of the names below.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If there is none of this name; the nearest is suggested.

    Notes
    -----
    """
    import pandas as pd

    dataset = DATASETS.get(name)
    if dataset is None:
        near = get_close_matches(str(name).lower(), DATASETS, n=1, cutoff=0.5)
        raise DataError(
            f"there is no data set '{name}'",
            remedy=(f"Did you mean {near[0]}? " if near else "") + f"Data sets: {', '.join(DATASETS)}.",
        )
    source = files(__name__).joinpath(dataset.file)
    with source.open("rb") as stream:
        compression = "gzip" if dataset.file.endswith(".gz") else None
        frame = pd.read_csv(stream, compression=compression)
    return frame.astype({column: "category" for column in dataset.categorical})


# each citation is part of the docstring
load_dataset.__doc__ = (load_dataset.__doc__ or "") + "".join(
    f"\n    **{name}** {dataset.description}\n\n    {dataset.citation}\n" for name, dataset in DATASETS.items()
)
