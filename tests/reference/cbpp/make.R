# Rscript tests/reference/cbpp/make.R
source("tests/reference/quadrature.R")
suppressPackageStartupMessages({library(lme4); library(glmmTMB)})
data <- read.csv("semgllamm/data/datasets/cbpp.csv")
data$period <- factor(data$period)
formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
names <- c("incidence~1", paste0("incidence~period[", 2:4, "]"), "herd.intercept~~herd.intercept")
# at its default tolPwrss of 1e-7 glmer stops before the conditional modes are found, and its Laplace log-likelihood
# is some 3e-4 too low; at 1e-10 it agrees with glmmTMB
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10, optCtrl = list(rhoend = 1e-10, maxfun = 1e5))

laplace <- glmer(formula, data, binomial, control = tight)
loose <- update(laplace, control = glmerControl(optimizer = "bobyqa"))
tmb <- glmmTMB(formula, data, binomial)
log_sd <- tmb$fit$par[["theta"]]
variance <- exp(2 * log_sd)
tmb_se <- sqrt(diag(vcov(tmb, full = TRUE)))
tmb_se[5] <- 2 * variance * tmb_se[5]

loglik <- two_level(model.matrix(~period, data), matrix(1, nrow(data), 1), data$herd,
                    function(nu) dbinom(data$incidence, data$size, plogis(nu), log = TRUE), laplace, 41)
objective <- function(par) loglik(par[1:4], matrix(par[5]))
found <- maximise(objective, c(fixef(laplace), unlist(VarCorr(laplace))))

# lme4 leaves out the binomial coefficients when it uses several points: what it omits is the saturated model
many <- update(laplace, nAGQ = 25)
saturated <- sum(dbinom(data$incidence, data$size, data$incidence / data$size, log = TRUE))
stopifnot(abs(as.numeric(logLik(many)) + saturated - found$loglik) < 1e-6)

store("cbpp", "cbpp", "Lesnoff et al. (2004)",
    results = list(
        laplace = result(software("glmmTMB"), "laplace", as.numeric(logLik(tmb)),
                         setNames(c(fixef(tmb)$cond, variance), names), setNames(tmb_se, names),
                         c(loglik = 1e-6, estimates = 1e-4, se = 1e-4)),
        lme4 = result(software("lme4"), "laplace", as.numeric(logLik(laplace)),
                      setNames(c(fixef(laplace), unlist(VarCorr(laplace))), names),
                      tolerance = c(loglik = 1e-6, estimates = 1e-5), note = "tolPwrss = 1e-10"),
        lme4_default = result(software("lme4"), "laplace", as.numeric(logLik(loose)),
                              setNames(c(fixef(loose), unlist(VarCorr(loose))), names),
                              tolerance = c(loglik = 5e-4, estimates = 5e-3),
                              note = "tolPwrss = 1e-7: conditional modes not quite found"),
        converged = result(software("lme4"), "converged", found$loglik, setNames(found$par, names),
                           setNames(found$se, names), c(loglik = 1e-6, estimates = 1e-5, se = 1e-5),
                           "41 points in R; glmer with 25 adaptive points gives the same log-likelihood up to constants")))
