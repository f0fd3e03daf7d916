# Coefficients of reliability and of validity, from the matrices of a fit, by their published formulas:
#   alpha   k / (k - 1) (1 - sum_i s_ii / sum_ij s_ij)                                   Cronbach (1951), S of the sample
#   omega   (sum lambda)^2 psi / ((sum lambda)^2 psi + sum_ij theta_ij)                  Raykov (2001)
#   AVE     sum lambda^2 psi / (sum lambda^2 psi + sum theta_ii), standardised loadings  Fornell & Larcker (1981)
#   HTMT    mean of the correlations between two factors' items over the geometric mean of the two mean
#           correlations within                                                          Henseler, Ringle & Sarstedt (2015)
reliabilities <- function(fit_named) {
  fit <- fit_named("hs_cfa")
  est <- lavInspect(fit, "est"); std <- lavInspect(fit, "std.all"); S <- lavInspect(fit, "sampstat")$cov
  R <- cov2cor(S)
  items <- function(f) rownames(est$lambda)[est$lambda[, f] != 0]
  factors <- colnames(est$lambda)
  alpha <- function(s) nrow(s) / (nrow(s) - 1) * (1 - sum(diag(s)) / sum(s))
  each <- lapply(setNames(factors, factors), function(f) {
    i <- items(f); k <- length(i)
    common <- sum(est$lambda[i, f])^2 * est$psi[f, f]
    share <- function(m) sum(m$lambda[i, f]^2) * m$psi[f, f] / (sum(m$lambda[i, f]^2) * m$psi[f, f] + sum(diag(m$theta[i, i])))
    list(alpha = alpha(S[i, i]), alpha_standardized = alpha(R[i, i]), omega = common / (common + sum(est$theta[i, i])),
         ave = share(std), ave_unstandardized = share(est))
  })
  within <- function(f) { i <- items(f); mean(R[i, i][lower.tri(R[i, i])]) }
  pairs <- combn(factors, 2, simplify = FALSE)
  htmt <- lapply(pairs, function(p) mean(R[items(p[1]), items(p[2])]) / sqrt(within(p[1]) * within(p[2])))
  names(htmt) <- vapply(pairs, paste, "", collapse = "~~")
  list(fit = "hs_cfa", factors = each, htmt = htmt)
}
