# Rscript tests/reference/guatemala/make.R   (some minutes)
source("tests/reference/quadrature.R")
suppressPackageStartupMessages({library(lme4); library(glmmTMB)})
data <- read.csv("semgllamm/data/datasets/guatemala.csv.gz")
data <- data[order(data$comm, data$mom), ]
covariates <- c("kid2p", "mom25p", "ord23", "ord46", "ord7p", "indNoSpa", "indSpa", "momEdPri", "momEdSec", "husEdPri",
                "husEdSec", "husEdDK", "momWork", "rural", "pcInd81")
names <- c(paste0("immun~", c("1", covariates)), "mom.intercept~~mom.intercept", "comm.intercept~~comm.intercept")
formula <- reformulate(c(covariates, "(1 | mom)", "(1 | comm)"), "immun")

tmb <- glmmTMB(formula, data, binomial)
variances <- exp(2 * unname(tmb$fit$par[17:18]))
tmb_se <- sqrt(diag(vcov(tmb, full = TRUE)))
tmb_se[17:18] <- 2 * variances * tmb_se[17:18]
lme4 <- glmer(formula, data, binomial, control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10,
                                                              optCtrl = list(rhoend = 1e-8, maxfun = 1e5)))
loose <- update(lme4, control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5)))

# Ordinary Gauss-Hermite rules for mothers and communities: nu = X b + sd_mother z_m + sd_community z_c. The last two
# parameters are the standard deviations. The score is the posterior mean of the complete-data score.
X <- cbind(1, as.matrix(data[covariates]))
y <- data$immun
mother <- as.integer(factor(data$mom, unique(data$mom)))
community_of_mother <- as.integer(factor(data$comm))[!duplicated(mother)]
three_level <- function(par, points, score = FALSE) {
    rule <- hermite(points)
    fixed <- drop(X %*% par[1:16])
    grid <- rep(1, length(y)) %o% rule$z
    by_community <- matrix(0, max(community_of_mother), points)
    inner <- vector("list", points)
    for (c in seq_len(points)) {
        nu <- fixed + par[17] * grid + par[18] * rule$z[c]
        terms <- sweep(rowsum(y * nu - softplus(nu), mother, reorder = FALSE), 2, log(rule$w), "+")
        by_mother <- log_sum_exp(terms)
        by_community[, c] <- rowsum(by_mother, community_of_mother)[, 1] + log(rule$w[c])
        if (score) inner[[c]] <- exp(terms - by_mother)[mother, ] * (y - plogis(nu))
    }
    total <- log_sum_exp(by_community)
    if (!score) return(sum(total))
    posterior <- exp(by_community - total)[community_of_mother[mother], ]
    residual <- times_mother <- times_community <- 0
    for (c in seq_len(points)) {
        mean <- posterior[, c] * rowSums(inner[[c]])
        residual <- residual + mean
        times_mother <- times_mother + sum(posterior[, c] * (inner[[c]] %*% rule$z))
        times_community <- times_community + sum(mean) * rule$z[c]
    }
    c(drop(crossprod(X, residual)), times_mother, times_community)
}
fit <- function(points, start) {
    gradient <- function(par) three_level(par, points, TRUE)
    found <- maximise(function(par) three_level(par, points), start, gradient, steps = 1)
    sd <- found$par[17:18]
    list(loglik = found$loglik, estimates = setNames(c(found$par[1:16], sd^2), names),
         se = setNames(c(found$se[1:16], 2 * sd * found$se[17:18]), names), par = found$par, gradient = found$gradient)
}
twelve <- fit(12, c(fixef(tmb)$cond * 1.8, 2.3, 1))
many <- fit(50, twelve$par)
cat(sprintf("greatest score %.1e and %.1e; 70 points instead of 50 add %.1e\n", twelve$gradient, many$gradient,
            three_level(many$par, 70) - many$loglik))

store("guatemala", "guatemala",
    paste("Rodríguez, G. & Goldman, N. (2001). Improved estimation procedures for multilevel models with binary",
          "response: a case-study. Journal of the Royal Statistical Society, Series A, 164, 339-355."),
    published = list(sd_mom = 2.32, sd_comm = 1.02),
    results = list(
        laplace = result(software("glmmTMB"), "laplace", as.numeric(logLik(tmb)),
                         setNames(c(fixef(tmb)$cond, variances), names), setNames(tmb_se, names),
                         c(loglik = 1e-5, estimates = 1e-4, se = 1e-4)),
        lme4 = result(software("lme4"), "laplace", as.numeric(logLik(lme4)),
                      setNames(c(fixef(lme4), VarCorr(lme4)$mom, VarCorr(lme4)$comm), names),
                      tolerance = c(loglik = 2e-4, estimates = 1e-3), note = "tolPwrss = 1e-10"),
        lme4_default = result(software("lme4"), "laplace", as.numeric(logLik(loose)),
                              tolerance = c(loglik = 5e-3), note = "tolPwrss = 1e-7: modes not quite found"),
        ordinary12 = result(software(), list(ordinary = c(12, 12)), twelve$loglik, twelve$estimates,
                            twelve$se, c(loglik = 1e-5, estimates = 1e-4, se = 1e-4)),
        converged = result(software(), "converged", many$loglik, many$estimates, many$se,
                           c(loglik = 1e-5, estimates = 1e-4, se = 1e-4), "50 ordinary points per level in R")))
