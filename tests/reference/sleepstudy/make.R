# Rscript tests/reference/sleepstudy/make.R
source("tests/reference/quadrature.R")
suppressPackageStartupMessages(library(lme4))
data <- read.csv("semgllamm/data/datasets/sleepstudy.csv")
fit <- lmer(Reaction ~ Days + (Days | Subject), data, REML = FALSE,
            control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))

# standard errors of all parameters from the normal log-likelihood itself, maximised again
subjects <- split(data, data$Subject)
loglik <- function(par) sum(vapply(subjects, function(d) {
    X <- cbind(1, d$Days)
    Sigma <- X %*% matrix(par[c(3, 4, 4, 5)], 2) %*% t(X) + diag(par[6], nrow(d))
    residual <- d$Reaction - drop(X %*% par[1:2])
    -(nrow(d) * log(2 * pi) + as.numeric(determinant(Sigma)$modulus) + sum(residual * solve(Sigma, residual))) / 2
}, 0))
Psi <- VarCorr(fit)$Subject
names <- c("Reaction~1", "Reaction~Days", "Subject.intercept~~Subject.intercept", "Subject.intercept~~Subject.Days",
           "Subject.Days~~Subject.Days", "Reaction~~Reaction")
par <- setNames(c(fixef(fit), Psi[1, 1], Psi[1, 2], Psi[2, 2], sigma(fit)^2), names)
for (step in 1:4) par <- par - solve(hessian(loglik, par), grad(loglik, par))
se <- setNames(sqrt(diag(solve(-hessian(loglik, par)))), names)
stopifnot(abs(loglik(par) - logLik(fit)) < 1e-8)

store("sleepstudy", "sleepstudy", "Belenky et al. (2003)",
    results = list(
        lme4 = result(software("lme4", "numDeriv"), "laplace", as.numeric(logLik(fit)), par, se,
                      c(loglik = 1e-6, estimates = 2e-3, se = 2e-3),
                      "lmer, REML = FALSE; estimates refined and standard errors from differences of its log-likelihood")))
