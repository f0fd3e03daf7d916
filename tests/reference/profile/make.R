# Profile-likelihood intervals: lme4 (maximum likelihood, not REML) and R's glm.
# Rscript make.R, in this folder
suppressMessages({library(lme4); library(MASS); library(jsonlite)})
limits <- function(fit, ...) {
  found <- suppressMessages(confint(fit, ...))
  lapply(setNames(seq_len(nrow(found)), rownames(found)), function(k) as.numeric(found[k, ]))
}
mixed <- function(fit, ...) list(loglik = as.numeric(logLik(fit)), limits = limits(fit, method = "profile", quiet = TRUE, ...))
plain <- function(fit) list(loglik = as.numeric(logLik(fit)), limits = limits(fit))
out <- list(
  slopes = mixed(lmer(Reaction ~ Days + (1 + Days | Subject), sleepstudy, REML = FALSE)),
  intercepts = mixed(lmer(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)),
  casks = mixed(lmer(strength ~ 1 + (1 | batch / cask), Pastes, REML = FALSE)),
  # by quadrature lme4 leaves constants out of the log-likelihood
  cbpp = mixed(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, nAGQ = 25))["limits"],
  logistic = plain(glm(am ~ wt, binomial, mtcars)),
  counts = plain(glm(carb ~ hp + wt, poisson, mtcars))
)
write.csv(Pastes[, c("strength", "batch", "cask")], "pastes.csv", row.names = FALSE)
write.csv(mtcars[, c("am", "wt", "carb", "hp")], "cars.csv", row.names = FALSE)
out$versions <- c(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")))
write(toJSON(out, auto_unbox = TRUE, digits = 10, pretty = TRUE), "values.json")
