# Frequencies of rows: glmmTMB's `weights`, which multiply the log-likelihood of each row, and Laplace's approximation; lme4 of
# the rows written out. A logistic regression with sampling weights: glm, and the sandwich of weighted scores.
# Rscript tests/reference/weights/make.R
suppressPackageStartupMessages({library(glmmTMB); library(lme4); library(jsonlite)})

d <- cbpp[order(as.integer(as.character(cbpp$herd)), cbpp$period), ]
d$n <- 1 + seq_len(nrow(d)) %% 3
model <- cbind(incidence, size - incidence) ~ period + (1 | herd)
fit <- glmmTMB(model, family = binomial, data = d, weights = n)
long <- glmer(model, family = binomial, data = d[rep(seq_len(nrow(d)), d$n), ], nAGQ = 25)

d$w <- 0.4 + (seq_len(nrow(d)) %% 5) / 2
plain <- suppressWarnings(glm(cbind(incidence, size - incidence) ~ period, family = binomial, data = d, weights = w))
X <- model.matrix(plain)
left <- X * (d$w * (d$incidence - d$size * fitted(plain)))
bread <- solve(t(X) %*% (X * (d$w * d$size * fitted(plain) * (1 - fitted(plain)))))
write_json(list(
    laplace = list(loglik = as.numeric(logLik(fit)), coef = unname(fixef(fit)$cond),
                   sd = unname(attr(VarCorr(fit)$cond$herd, "stddev")), se = unname(sqrt(diag(vcov(fit)$cond)))),
    written_out = list(coef = unname(fixef(long)), sd = unname(attr(VarCorr(long)$herd, "stddev"))),
    sandwich = list(coef = unname(coef(plain)), se = unname(sqrt(diag(bread %*% crossprod(left) %*% bread))))
), "tests/reference/weights/values.json", digits = 12, auto_unbox = TRUE, pretty = TRUE)
