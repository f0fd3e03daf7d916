# Rscript tests/reference/lsat6_2pl/make.R
source("tests/reference/quadrature.R")
lsat6 <- read.csv("semgllamm/data/datasets/lsat6.csv")
items <- paste0("y", 1:5)

Y <- as.matrix(unique(lsat6[items]))
frequency <- as.vector(table(factor(do.call(paste, lsat6[items]), do.call(paste, as.data.frame(Y)))))
rule <- hermite(61)
loglik <- function(par) {
    answers <- sapply(rule$z, function(theta) {
        nu <- rep(1, nrow(Y)) %o% (par[6:10] + par[1:5] * theta)
        rowSums(Y * nu - softplus(nu))
    })
    sum(frequency * log_sum_exp(sweep(answers, 2, log(rule$w), "+")))
}
found <- maximise(loglik, c(.8, .7, .9, .7, .7, 2.8, 1, .25, 1.3, 2.1))
names(found$par) <- names(found$se) <- c(paste0("theta=~", items), paste0(items, "~1"))

store("lsat6_2pl", "lsat6",
    paste("Bock & Lieberman (1970). Published: Rizopoulos, D. (2006). ltm: An R package for latent variable modeling",
          "and item response theory analyses. Journal of Statistical Software, 17(5), 1-25."),
    published = list(loglik = -2466.653),
    results = list(
        converged = result(software(), "converged", found$loglik, found$par, found$se,
                           c(loglik = 1e-6, estimates = 1e-4, se = 1e-4), "61 ordinary points in R")))
