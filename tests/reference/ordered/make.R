# Ordered answers by other programs: MASS::polr, ordinal::clm (scale effects, nominal effects) and ordinal::clmm (adaptive
# quadrature with 15 points), and by likelihoods written out below and maximised by optim and Newton's steps (answers in
# steps, asymptotes).
# Rscript make.R (in this folder) writes wine.csv, soup.csv and values.json; ../test_ordered.py fits the models.
suppressMessages({library(MASS); library(ordinal); library(numDeriv); library(jsonlite)})

data(wine); data(soup)
w <- data.frame(rating = as.integer(wine$rating), warm = as.integer(wine$temp == "warm"),
                contact = as.integer(wine$contact == "yes"), judge = as.integer(wine$judge))
s <- data.frame(sure = as.integer(soup$SURENESS), test = as.integer(soup$PROD == "Test"),
                male = as.integer(soup$GENDER == "Male"), resp = as.integer(soup$RESP))
write.csv(w, "wine.csv", row.names = FALSE)
write.csv(s, "soup.csv", row.names = FALSE)

values <- list()
version <- function(name) paste(name, packageVersion(name))
keep <- function(name, data, text, software, loglik, estimates, tolerance, points = NULL, near = 1e-8) {
  values[[name]] <<- list(data = data, text = text, software = I(c(R.version.string, software)), points = points,
                          loglik = as.numeric(loglik), estimates = as.list(estimates), tolerance = tolerance,
                          loglik_tolerance = near)
}
# Newton's steps on a log-likelihood from estimates that are near its maximum
polish <- function(f, b) {
  for (k in 1:4) b <- b - solve(hessian(f, b), grad(f, b))
  b
}
thresholds <- function(y, kappa) setNames(kappa, paste0(y, "|t", seq_along(kappa)))
F <- list(logit = plogis, probit = pnorm, cloglog = function(x) -expm1(-exp(x)), loglog = function(x) exp(-exp(-x)))

# cumulative links without latent variables; clm takes Newton's steps to a gradient of 1e-10
for (link in c("logit", "probit", "cloglog", "loglog")) {
  m <- clm(factor(rating) ~ warm + contact, data = w, link = link, control = clm.control(gradTol = 1e-11))
  p <- polr(factor(rating) ~ warm + contact, w, method = if (link == "logit") "logistic" else link)
  stopifnot(abs(logLik(m) - logLik(p)) < 1e-5)
  keep(paste("cumulative", link), "wine", paste0("rating ~ warm + contact  @family(ordinal(", link, "))"),
       c(version("ordinal"), version("MASS")), logLik(m),
       c("rating~warm" = m$beta[["warm"]], "rating~contact" = m$beta[["contact"]], thresholds("rating", m$alpha)), 1e-8)
}

# the scale of the latent response
m <- clm(factor(sure) ~ test, scale = ~test, data = s, link = "probit", control = clm.control(gradTol = 1e-11))
keep("scale", "soup", "sure ~ test  @family(ordinal(probit)) @dispersion(test)", version("ordinal"), logLik(m),
     c("sure~test" = m$beta[["test"]], "sure@dispersion~test" = m$zeta[["test"]], thresholds("sure", m$alpha)), 1e-8)
m <- clm(factor(rating) ~ warm + contact, scale = ~warm, data = w, control = clm.control(gradTol = 1e-11))
keep("scale, logit", "wine", "rating ~ warm + contact  @family(ordinal) @dispersion(warm)", version("ordinal"),
     logLik(m), c("rating~warm" = m$beta[["warm"]], "rating~contact" = m$beta[["contact"]],
                  "rating@dispersion~warm" = m$zeta[["warm"]], thresholds("rating", m$alpha)), 1e-8)

# thresholds that depend on a covariate: partial proportional odds
m <- clm(factor(sure) ~ test, nominal = ~male, data = s, control = clm.control(gradTol = 1e-11))
a <- m$alpha
k <- length(a) / 2
keep("nominal", "soup", "sure ~ test  @family(ordinal)\n@thresholds(sure ~ male)", version("ordinal"), logLik(m),
     c("sure~test" = m$beta[["test"]], thresholds("sure", unname(a[1:k])),
       setNames(unname(a[k + 1:k]), paste0("sure|t", 1:k, "~male"))), 1e-8)

# random intercepts, 15 adaptive points
for (link in c("logit", "probit")) {
  m <- clmm(factor(rating) ~ warm + contact + (1 | judge), data = w, link = link, nAGQ = 15,
            control = clmm.control(gradTol = 1e-8))
  keep(paste("wine", link), "wine", paste0("rating ~ warm + contact + (1 | judge)  @family(ordinal(", link, "))"),
       version("ordinal"), logLik(m),
       c("rating~warm" = m$beta[["warm"]], "rating~contact" = m$beta[["contact"]], thresholds("rating", m$alpha),
         "judge.intercept~~judge.intercept" = m$ST[[1]][1, 1]^2), 1e-4, 15, 1e-5)
}
m <- clmm(factor(sure) ~ test + (1 | resp), data = s, link = "probit", nAGQ = 15, control = clmm.control(gradTol = 1e-7))
keep("soup probit", "soup", "sure ~ test + (1 | resp)  @family(ordinal(probit))", version("ordinal"), logLik(m),
     c("sure~test" = m$beta[["test"]], thresholds("sure", m$alpha),
       "resp.intercept~~resp.intercept" = m$ST[[1]][1, 1]^2), 1e-4, 15, 1e-5)

# answers in steps: each step is a binary response of those who came to it
for (link in names(F)) {
  inverse <- F[[link]]
  f <- function(b) {
    nu <- b[1] * w$warm + b[2] * w$contact
    total <- 0
    for (k in 1:4) {
      there <- w$rating >= k
      stops <- inverse(b[2 + k] - nu[there])
      total <- total + sum(log(ifelse(w$rating[there] == k, stops, 1 - stops)))
    }
    total
  }
  b <- optim(c(1, 0.5, -2, -0.5, 0.5, 1), f, control = list(fnscale = -1, maxit = 10000, reltol = 1e-15))$par
  b <- polish(f, optim(b, f, method = "BFGS", control = list(fnscale = -1, reltol = 1e-16, maxit = 500))$par)
  keep(paste("steps", link), "wine", paste0("rating ~ warm + contact  @family(sequential(", link, "))"), "stats",
       f(b), c("rating~warm" = b[1], "rating~contact" = b[2], thresholds("rating", b[3:6])), 1e-8)
}
# adjacent categories: P(y = k) proportional to exp(k nu - kappa_1 - ... - kappa_k)
f <- function(b) {
  nu <- b[1] * w$warm + b[2] * w$contact
  top <- cbind(0, outer(nu, 1:4) - matrix(cumsum(b[3:6]), nrow(w), 4, byrow = TRUE))
  sum(top[cbind(1:nrow(w), w$rating)] - log(rowSums(exp(top))))
}
b <- optim(c(1, 0.5, -2, -0.5, 0.5, 1), f, method = "BFGS", control = list(fnscale = -1, reltol = 1e-16, maxit = 500))$par
b <- polish(f, b)
keep("adjacent", "wine", "rating ~ warm + contact  @family(adjacent)", "stats", f(b),
     c("rating~warm" = b[1], "rating~contact" = b[2], thresholds("rating", b[3:6])), 1e-8)

# asymptotes: a psychometric function with chance at the bottom and lapses at the top
set.seed(8)
n <- 3000
a <- data.frame(x = round(runif(n, -5, 5), 3))
a$u <- rbinom(n, 1, 0.2 + 0.7 * plogis(0.3 + 1.4 * a$x))
write.csv(a, "psychometric.csv", row.names = FALSE)
asymptote <- function(name, family, c_at, d_at, begin) {
  f <- function(b) {
    lower <- if (is.na(c_at)) 0 else plogis(b[c_at])
    upper <- if (is.na(d_at)) 1 else plogis(b[d_at])
    p <- lower + (upper - lower) * plogis(b[1] + b[2] * a$x)
    sum(log(ifelse(a$u == 1, p, 1 - p)))
  }
  b <- optim(begin, f, control = list(fnscale = -1, maxit = 20000, reltol = 1e-15))$par
  b <- polish(f, optim(b, f, method = "BFGS", control = list(fnscale = -1, reltol = 1e-16, maxit = 500))$par)
  estimates <- c("u~1" = b[1], "u~x" = b[2])
  if (!is.na(c_at)) estimates <- c(estimates, "u@guessing~1" = b[c_at])
  if (!is.na(d_at)) estimates <- c(estimates, "u@ceiling~1" = b[d_at])
  keep(name, "psychometric", paste0("u ~ x  ", family), "stats", f(b), estimates, 1e-8)
}
asymptote("guessing", "@family(bernoulli) @guessing(1)", 3, NA, c(0, 1, -1.4))
asymptote("ceiling", "@family(bernoulli) @ceiling(1)", NA, 3, c(0, 1, 2))
asymptote("both asymptotes", "@family(bernoulli) @guessing(1) @ceiling(1)", 3, 4, c(0, 1, -1.4, 2))
write(toJSON(values, auto_unbox = TRUE, digits = 14, pretty = TRUE, null = "null"), "values.json")
