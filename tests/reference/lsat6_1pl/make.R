# Rscript tests/reference/lsat6_1pl/make.R
source("tests/reference/quadrature.R")
suppressPackageStartupMessages(library(lme4))
lsat6 <- read.csv("semgllamm/data/datasets/lsat6.csv")
items <- paste0("y", 1:5)

Y <- as.matrix(unique(lsat6[items]))
frequency <- as.vector(table(factor(do.call(paste, lsat6[items]), do.call(paste, as.data.frame(Y)))))
rule <- hermite(61)
loglik <- function(par) {
    answers <- sapply(rule$z, function(theta) {
        nu <- rep(1, nrow(Y)) %o% (par[2:6] + par[1] * theta)
        rowSums(Y * nu - softplus(nu))
    })
    sum(frequency * log_sum_exp(sweep(answers, 2, log(rule$w), "+")))
}
found <- maximise(loglik, c(.75, 2.7, 1, .25, 1.3, 2.1))
names(found$par) <- names(found$se) <- c("theta=~y1", paste0(items, "~1"))

# the same model as a random-intercept logit: the loading is the standard deviation
long <- data.frame(person = rep(lsat6$person, 5), item = factor(rep(1:5, each = 1000)), y = unlist(lsat6[items]))
rasch <- glmer(y ~ 0 + item + (1 | person), long, binomial, nAGQ = 25)

store("lsat6_1pl", "lsat6",
    paste("Bock & Lieberman (1970). Published: Rizopoulos, D. (2006). ltm: An R package for latent variable modeling",
          "and item response theory analyses. Journal of Statistical Software, 17(5), 1-25."),
    published = list(loglik = -2466.938, slope = .7551, slope_se = .0694,
                     difficulties = c(-3.6153, -1.3224, -.3176, -1.7301, -2.7802)),
    results = list(
        converged = result(software(), "converged", found$loglik, found$par, found$se,
                           c(loglik = 1e-6, estimates = 1e-5, se = 1e-5), "61 ordinary points in R"),
        lme4 = result(software("lme4"), "converged", as.numeric(logLik(rasch)),
                      setNames(c(sqrt(unlist(VarCorr(rasch))), fixef(rasch)), names(found$par)),
                      tolerance = c(loglik = 1e-5, estimates = 1e-3), note = "glmer, 25 adaptive points")))
