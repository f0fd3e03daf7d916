# Random intercepts of gamma and inverse Gaussian responses by lme4's glmer (nAGQ = 1), and of gamma ones by glmmTMB.
# Rscript make.R (in this folder) writes data.csv and values.json; ../test_glmer_dispersion.py evaluates the models.
#
# glmer is no maximum likelihood for families with a dispersion. For a parameter vector (beta, theta) it finds the modes u
# that minimise D(beta, u) + |u|^2, D being the deviance of the responses with dispersion 1, sets the dispersion to
# phi = D/n there, and reports
#
#     -2 log L = aic(y, mu, phi) + |u|^2 + log|1 + theta^2 Z'WZ|,      W the expected weights of dispersion 1,
#
# where `aic` has -2 log f and R's own 2 for the dispersion. The model in which u minimises the same sum is that with
# u ~ N(0, phi), so that the random intercept has the variance theta^2 phi (what VarCorr prints), and its Laplace
# approximation is
#
#     -2 log L = -2 log f(y, mu, phi) + |u|^2 / phi + log|1 + theta^2 Z'HZ|,   H the observed weights of dispersion 1:
#
# glmer leaves |u|^2 undivided, counts 2 more, and has W for H, which are the same under the canonical link only. So
# its estimates and its log-likelihood are not comparable, but its modes are: `loglik` below is the second formula at
# glmer's parameters, dispersion and modes, `reported` the first, which is checked to be what logLik(glmer) says. Since
# glmer ends its search for the modes early even at tolPwrss = 1e-12 (5e-6 in log L for the inverse Gaussian under the
# identity link), each is carried on by Newton's method first, which moves it by 2e-6 at most.
# glmmTMB maximises the second, over the dispersion as well.
suppressMessages({library(lme4); library(glmmTMB); library(jsonlite)})

set.seed(31)
groups <- 40
n <- groups * 6
d <- data.frame(id = rep(1:groups, each = 6), x = round(runif(n, -1, 1), 4))
u <- rnorm(groups)[d$id]
means <- list(log = exp(0.5 + 0.4 * d$x + 0.4 * u), reciprocal = 1 / pmax(1 + 0.3 * d$x + 0.12 * u, 0.2),
              identity = pmax(3 + 0.8 * d$x + 0.5 * u, 0.5), inverse_square = pmax(1 + 0.4 * d$x + 0.15 * u, 0.1)^-0.5)
wald <- function(mu, phi) {  # Michael, Schucany & Haas (1976)
  v <- rnorm(n)^2
  root <- mu + phi * mu^2 * v / 2 - phi * mu / 2 * sqrt(4 * mu * v / phi + mu^2 * v^2)
  ifelse(runif(n) <= mu / (mu + root), root, mu^2 / root)
}
for (link in names(means)) {
  if (link != "inverse_square") d[[paste0("gamma_", link)]] <- round(rgamma(n, 4, scale = means[[link]] / 4) + 1e-4, 5)
  d[[paste0("inversegaussian_", link)]] <- round(wald(means[[link]], 0.15) + 1e-4, 5)
}
d <- read.csv(text = capture.output(write.csv(d, row.names = FALSE)))
write.csv(d, "data.csv", row.names = FALSE)

r_link <- c(log = "log", reciprocal = "inverse", identity = "identity", inverse_square = "1/mu^2")
# theta = log mu in nu and its derivatives, as R's linkinv
mu_of <- list(log = expression(exp(v)), reciprocal = expression(1 / v), identity = expression(v),
              inverse_square = expression(v^-0.5))
log_f <- list(gamma = function(y, mu, phi) dgamma(y, 1 / phi, scale = mu * phi, log = TRUE),
              inversegaussian = function(y, mu, phi) -0.5 * log(2 * pi * phi * y^3) - (y - mu)^2 / (2 * phi * mu^2 * y))
# half the deviance of one response, up to what is free of mu
half <- list(gamma = quote(log(M) + y / M), inversegaussian = quote((y - M)^2 / (2 * M^2 * y)))
in_predictor <- function(family, link) do.call(substitute, list(half[[family]], list(M = mu_of[[link]][[1]])))
observed_weights <- function(family, link, y, v) eval(D(D(in_predictor(family, link), "v"), "v"), list(y = y, v = v))
slopes <- function(family, link, y, v) eval(D(in_predictor(family, link), "v"), list(y = y, v = v))

control <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
                        check.conv.grad = "ignore", check.conv.hess = "ignore")
tight <- glmmTMBControl(optCtrl = list(iter.max = 1000, eval.max = 1000, rel.tol = 1e-14, x.tol = 1e-12))
values <- list()
for (family in names(half)) for (link in names(means)) {
  response <- paste0(family, "_", link)
  if (is.null(d[[response]])) next
  f <- as.formula(paste(response, "~ x + (1 | id)"))
  m <- glmer(f, d, if (family == "gamma") Gamma(r_link[[link]]) else inverse.gaussian(r_link[[link]]),
             control = control)
  y <- d[[response]]
  mu <- fitted(m)
  v <- predict(m, type = "link")
  theta <- getME(m, "theta")[[1]]
  phi <- sum(residuals(m, "deviance")^2) / n
  square <- sum(getME(m, "u")^2)
  density <- sum(log_f[[family]](y, mu, phi))
  determinant <- function(w) sum(log(1 + theta^2 * tapply(w, d$id, sum)))
  fam <- family(m)
  W <- fam$mu.eta(v)^2 / fam$variance(mu)
  reported <- density - 1 - 0.5 * (square + determinant(W))
  cat(response, "reported", reported, as.numeric(logLik(m)), "phi", phi, sigma(m)^2, "\n")
  stopifnot(abs(reported - as.numeric(logLik(m))) < 1e-5)
  u <- first <- getME(m, "u")
  fixed <- v - theta * u[d$id]
  for (k in 1:20) {
    v <- fixed + theta * u[d$id]
    slope <- u + theta * tapply(slopes(family, link, y, v), d$id, sum)
    u <- u - slope / (1 + theta^2 * tapply(observed_weights(family, link, y, v), d$id, sum))
  }
  cat("  modes move by", max(abs(u - first)), "\n")
  stopifnot(max(abs(u - first)) < 1e-5)
  v <- fixed + theta * u[d$id]
  density <- sum(log_f[[family]](y, fam$linkinv(v), phi))
  square <- sum(u^2)
  H <- observed_weights(family, link, y, v)
  b <- fixef(m)
  named <- function(b, random, phi) {
    as.list(setNames(c(b, log(phi), random), c(paste0(response, c("~1", "~x", "@dispersion~1")),
                                                "id.intercept~~id.intercept")))
  }
  values[[response]] <- list(
    text = paste0(response, " ~ x + (1 | id)  @family(", family, "(", link, "))"),
    lme4 = list(software = c(R.version.string, paste("lme4", packageVersion("lme4"))), reported = as.numeric(logLik(m)),
                parameters = named(b, theta^2 * phi, phi),
                loglik = density - 0.5 * (square / phi + determinant(H))))
  if (family == "gamma") {
    t <- try(glmmTMB(f, d, family = Gamma(r_link[[link]]), control = tight))
    if (inherits(t, "try-error")) next
    values[[response]]$glmmTMB <- list(
      software = c(paste("glmmTMB", packageVersion("glmmTMB")), paste("TMB", packageVersion("TMB"))),
      loglik = as.numeric(logLik(t)),
      parameters = named(fixef(t)$cond, VarCorr(t)$cond$id[1, 1], sigma(t)^2))
  }
}
write(toJSON(values, auto_unbox = TRUE, digits = 14, pretty = TRUE), "values.json")
