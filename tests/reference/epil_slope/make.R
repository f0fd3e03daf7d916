# Rscript tests/reference/epil_slope/make.R
source("tests/reference/quadrature.R")
suppressPackageStartupMessages({library(lme4); library(glmmTMB)})
data <- read.csv("semgllamm/data/datasets/epil.csv")
formula <- y ~ lbase + trt + lage + visit + lbase:trt + (1 + visit | subject)
names <- c(paste0("y~", c("1", "lbase", "trt", "lage", "visit", "lbase:trt")), "subject.intercept~~subject.intercept",
           "subject.intercept~~subject.visit", "subject.visit~~subject.visit")
# at its default tolPwrss of 1e-7 glmer stops before the conditional modes are found, and its Laplace log-likelihood
# is some 3e-4 too low; at 1e-10 it agrees with glmmTMB
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10, optCtrl = list(rhoend = 1e-10, maxfun = 1e5))

laplace <- glmer(formula, data, poisson, control = tight)
tmb <- glmmTMB(formula, data, poisson)
# glmmTMB's own parameters are two log standard deviations and r / sqrt(1 - r^2)
covariance <- function(theta) {
    sd <- exp(theta[1:2])
    c(sd[1]^2, prod(sd) * theta[3] / sqrt(1 + theta[3]^2), sd[2]^2)
}
theta <- unname(tmb$fit$par[7:9])
V <- vcov(tmb, full = TRUE)
J <- jacobian(covariance, theta)
tmb_se <- c(sqrt(diag(V)[1:6]), sqrt(diag(J %*% V[7:9, 7:9] %*% t(J))))

X <- model.matrix(~ lbase + trt + lage + visit + lbase:trt, data)
loglik <- two_level(X, cbind(1, data$visit), data$subject,
                    function(nu) dpois(data$y, exp(nu), log = TRUE), laplace, 21)
objective <- function(par) loglik(par[1:6], matrix(par[c(7, 8, 8, 9)], 2))
Psi <- VarCorr(laplace)$subject
found <- maximise(objective, c(fixef(laplace), Psi[1, 1], Psi[1, 2], Psi[2, 2]))

store("epil_slope", "epil", "Thall & Vail (1990); model IV of Breslow & Clayton (1993), centred covariates",
    results = list(
        laplace = result(software("glmmTMB", "numDeriv"), "laplace", as.numeric(logLik(tmb)),
                         setNames(c(fixef(tmb)$cond, covariance(theta)), names), setNames(tmb_se, names),
                         c(loglik = 1e-6, estimates = 1e-4, se = 1e-4)),
        converged = result(software("lme4"), "converged", found$loglik, setNames(found$par, names),
                           setNames(found$se, names), c(loglik = 1e-6, estimates = 1e-5, se = 1e-5),
                           "21 x 21 points in R")))
