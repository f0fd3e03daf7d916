# Rscript tests/reference/epil/make.R
source("tests/reference/quadrature.R")
suppressPackageStartupMessages({library(lme4); library(glmmTMB)})
data <- read.csv("semgllamm/data/datasets/epil.csv")
formula <- y ~ lbase + trt + lage + V4 + lbase:trt + (1 | subject)
names <- c(paste0("y~", c("1", "lbase", "trt", "lage", "V4", "lbase:trt")), "subject.intercept~~subject.intercept")
# at its default tolPwrss of 1e-7 glmer stops before the conditional modes are found, and its Laplace log-likelihood
# is some 3e-4 too low; at 1e-10 it agrees with glmmTMB
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10, optCtrl = list(rhoend = 1e-10, maxfun = 1e5))

laplace <- glmer(formula, data, poisson, control = tight)
loose <- update(laplace, control = glmerControl(optimizer = "bobyqa"))
tmb <- glmmTMB(formula, data, poisson)
variance <- exp(2 * tmb$fit$par[["theta"]])
tmb_se <- sqrt(diag(vcov(tmb, full = TRUE)))
tmb_se[7] <- 2 * variance * tmb_se[7]

X <- model.matrix(~ lbase + trt + lage + V4 + lbase:trt, data)
loglik <- two_level(X, matrix(1, nrow(data), 1), data$subject,
                    function(nu) dpois(data$y, exp(nu), log = TRUE), laplace, 41)
objective <- function(par) loglik(par[1:6], matrix(par[7]))
found <- maximise(objective, c(fixef(laplace), unlist(VarCorr(laplace))))

# lme4 leaves out the factorials when it uses several points: what it omits is the saturated model
many <- update(laplace, nAGQ = 25)
saturated <- sum(dpois(data$y, data$y, log = TRUE))
stopifnot(abs(as.numeric(logLik(many)) + saturated - found$loglik) < 1e-6)

store("epil", "epil", "Thall & Vail (1990); model II of Breslow & Clayton (1993), centred covariates",
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
