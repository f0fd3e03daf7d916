# Generalized linear models, survival models and generalized linear mixed models of the families that have parameters of
# their own, or zeros of their own, or censored answers: by glm, MASS, survival and glmmTMB.
# Rscript make.R (in this folder) writes data.csv and values.json; ../test_families.py fits the models.
suppressMessages({library(MASS); library(survival); library(glmmTMB); library(jsonlite); library(numDeriv)})

set.seed(20)
n <- 240
d <- data.frame(id = rep(1:30, each = 8), x = round(rnorm(n), 4), z = round(runif(n, -1, 1), 4))
u <- rnorm(30, 0, 0.5)[d$id]
mu <- exp(0.6 + 0.3 * d$x + u)
p <- plogis(0.2 + 0.5 * d$x + u)
d$y <- round(rgamma(n, shape = 2, scale = mu / 2) + 0.001, 5)
nu <- rnorm(n)^2
d$w <- round(mu + mu^2 * nu / 4 - mu / 4 * sqrt(8 * mu * nu / 2 + mu^2 * nu^2 / 1), 5)
d$w <- pmax(d$w, 0.05)
d$nb <- rnbinom(n, size = 1.5, mu = mu)
d$nb1 <- rnbinom(n, size = mu / 1.2, mu = mu)
d$c <- rpois(n, mu)
d$be <- round(pmin(pmax(rbeta(n, 6 * p, 6 * (1 - p)), 0.001), 0.999), 5)
time <- mu * rweibull(n, 1.4)
leave <- rexp(n, 1 / 5)
d$time <- round(pmin(time, leave) + 0.001, 5)
d$died <- as.numeric(time <= leave)
latent <- 0.3 + 0.5 * d$x + u + rnorm(n)
d$tob <- round(pmax(latent, 0), 5)
d$lo <- ifelse(latent < -1, NA, floor(2 * latent) / 2)
d$hi <- ifelse(latent > 1.5, NA, ifelse(is.na(d$lo), -1, d$lo + 0.5))
d$zi <- ifelse(runif(n) < plogis(-0.8 + 0.7 * d$z), 0, rpois(n, mu))
d$zinb <- ifelse(runif(n) < 0.3, 0, rnbinom(n, size = 2, mu = mu))
d$b <- rbinom(n, 1, 0.15 + 0.1 * (d$z + 1))
d$o <- as.numeric(cut(0.5 * d$x + u + rlogis(n), c(-Inf, -0.7, 0.8, Inf)))
d$g <- round(0.2 + 0.5 * d$x + u + exp(0.1 + 0.4 * d$z) * rnorm(n), 5)
d <- read.csv(text = capture.output(write.csv(d, row.names = FALSE)))
write.csv(d, "data.csv", row.names = FALSE, na = "")

values <- list()
version <- function(name) paste(name, packageVersion(name))
keep <- function(name, text, software, loglik, estimates, laplace = FALSE, tolerance = 1e-8) {
  values[[name]] <<- list(text = text, software = c(R.version.string, software), laplace = laplace,
                          loglik = as.numeric(loglik), estimates = as.list(estimates), tolerance = tolerance)
}
named <- function(y, b, terms = c("1", names(b)[-1])) setNames(b, paste0(y, "~", terms))

# glm.nb alternates between the mean and the size and stops some 1e-8 short: Newton's steps on both from there
exact_nbinom2 <- function(m, X, link) {
  inverse <- make.link(link)$linkinv
  k <- ncol(X)
  f <- function(b) sum(dnbinom(d$nb, size = exp(b[k + 1]), mu = inverse(drop(X %*% b[1:k])), log = TRUE))
  b <- c(coef(m), log(m$theta))
  for (step in 1:4) b <- b - solve(hessian(f, b), grad(f, b))
  list(loglik = f(b), estimates = c(named("nb", setNames(b[1:k], names(coef(m)))), "nb@dispersion~1" = b[[k + 1]]))
}

exact <- glm.control(epsilon = 1e-15, maxit = 200)
links <- c(log = "log", reciprocal = "inverse", identity = "identity", inverse_square = "1/mu^2")
for (link in names(links)) {
  family <- if (link == "inverse_square") NULL else Gamma(links[[link]])
  if (!is.null(family)) {
    m <- glm(y ~ z, family, d, control = exact, mustart = rep(mean(d$y), n))
    shape <- gamma.shape(m, it.lim = 100, eps.max = 1e-14)$alpha
    keep(paste0("gamma ", link), paste0("y ~ z  @family(gamma(", link, "))"), version("MASS"),
         sum(dgamma(d$y, shape, shape / fitted(m), log = TRUE)),
         c(named("y", coef(m)), "y@dispersion~1" = -log(shape)))
  }
  m <- glm(w ~ z, inverse.gaussian(links[[link]]), d, control = exact, mustart = rep(mean(d$w), n))
  f <- fitted(m)
  phi <- mean((d$w - f)^2 / (f^2 * d$w))
  keep(paste0("inversegaussian ", link), paste0("w ~ z  @family(inversegaussian(", link, "))"), "stats",
       sum(-0.5 * log(2 * pi * phi * d$w^3) - (d$w - f)^2 / (2 * phi * f^2 * d$w)),
       c(named("w", coef(m)), "w@dispersion~1" = log(phi)))
}
for (link in c("log", "reciprocal")) {
  m <- glm(y ~ x, gaussian(links[[link]]), d, control = exact, mustart = rep(mean(d$y), n))
  variance <- mean((d$y - fitted(m))^2)
  keep(paste0("gaussian ", link), paste0("y ~ x  @family(gaussian(", link, "))"), "stats",
       sum(dnorm(d$y, fitted(m), sqrt(variance), log = TRUE)), c(named("y", coef(m)), "y~~y" = variance))
}
for (link in c("identity", "sqrt")) {
  m <- glm(c ~ z, poisson(link), d, control = exact, mustart = rep(mean(d$c), n))
  keep(paste0("poisson ", link), paste0("c ~ z  @family(poisson(", link, "))"), "stats", logLik(m),
       named("c", coef(m)))
  m <- eval(bquote(glm.nb(nb ~ z, d, link = .(as.name(link)), control = glm.control(epsilon = 1e-15, maxit = 500))))
  m <- exact_nbinom2(m, cbind(1, d$z), link)
  keep(paste0("nbinom2 ", link), paste0("nb ~ z  @family(nbinom2(", link, "))"), version("MASS"), m$loglik,
       m$estimates)
}
for (link in c("log", "identity", "cloglog", "probit")) {
  m <- glm(b ~ z, binomial(link), d, control = exact, mustart = rep(mean(d$b), n))
  keep(paste0("bernoulli ", link), paste0("b ~ z  @family(bernoulli(", link, "))"), "stats", logLik(m),
       named("b", coef(m)))
}
# the log-log link is the complementary one of the other answer
m <- glm(1 - b ~ z, binomial("cloglog"), d, control = exact)
keep("bernoulli loglog", "b ~ z  @family(bernoulli(loglog))", "stats", logLik(m), -named("b", coef(m)))
m <- ordinal::clm(factor(o) ~ x, data = d, link = "loglog", control = ordinal::clm.control(gradTol = 1e-12))
keep("ordinal loglog", "o ~ x  @family(ordinal(loglog))", version("ordinal"), logLik(m),
     c("o~x" = m$beta[["x"]], "o|t1" = m$alpha[[1]], "o|t2" = m$alpha[[2]]))

m <- glm.nb(nb ~ x, d, control = glm.control(epsilon = 1e-15, maxit = 500))
m <- exact_nbinom2(m, cbind(1, d$x), "log")
keep("nbinom2", "nb ~ x  @family(nbinom2)", version("MASS"), m$loglik, m$estimates)

tight <- survreg.control(rel.tolerance = 1e-14, maxiter = 200)
m <- survreg(Surv(time, died) ~ x, d, dist = "weibull", control = tight)
keep("weibull", "time ~ x  @family(weibull) @event(died)", version("survival"), logLik(m),
     c(named("time", coef(m)), "time@dispersion~1" = -log(m$scale)))
m <- survreg(Surv(time, died) ~ x, d, dist = "exponential", control = tight)
keep("exponential", "time ~ x  @family(exponential(event=died))", version("survival"), logLik(m),
     named("time", coef(m)))
m <- survreg(Surv(tob, tob > 0, type = "left") ~ x, d, dist = "gaussian", control = tight)
keep("censored below", "tob ~ x  @family(censored(lower=0))", version("survival"), logLik(m),
     c(named("tob", coef(m)), "tob~~tob" = m$scale^2))
m <- survreg(Surv(lo, hi, type = "interval2") ~ x, d, dist = "gaussian", control = tight)
keep("intervals", "lo ~ x  @family(censored) @interval(hi)", version("survival"), logLik(m),
     c(named("lo", coef(m)), "lo~~lo" = m$scale^2))

control <- glmmTMBControl(optCtrl = list(iter.max = 1000, eval.max = 1000, rel.tol = 1e-14, x.tol = 1e-12))
tmb <- function(name, text, y, formula, family, zero = ~0, spread = ~1, dispersion = TRUE) {
  m <- glmmTMB(formula, d, family = family, ziformula = zero, dispformula = spread, control = control)
  b <- fixef(m)
  estimates <- named(y, b$cond)
  terms <- function(b) c("~1", paste0("~", names(b)[-1]))[seq_along(b)]
  # what glmmTMB models is the logarithm that the package has, but for the gamma its sigma is the root of the dispersion
  if (dispersion) {
    a <- if (m$modelInfo$family$family == "Gamma") c(2 * log(sigma(m))) else b$disp
    estimates <- c(estimates, setNames(a, paste0(y, "@dispersion", terms(a))))
  }
  if (length(b$zi)) estimates <- c(estimates, setNames(b$zi, paste0(y, "@inflation", terms(b$zi))))
  random <- VarCorr(m)$cond
  if (length(random)) estimates <- c(estimates, "id.intercept~~id.intercept" = random$id[1, 1])
  keep(name, text, c(version("glmmTMB"), version("TMB")), logLik(m), estimates, laplace = length(random) > 0,
       tolerance = 2e-5)
}
for (random in c(FALSE, TRUE)) {
  bar <- if (random) " + (1 | id)" else ""
  after <- if (random) ", random intercept" else ""
  f <- function(y) as.formula(paste0(y, " ~ x", bar))
  text <- function(y, more) paste0(y, " ~ x", bar, "  ", more)
  tmb(paste0("gamma", after), text("y", "@family(gamma)"), "y", f("y"), Gamma("log"))
  tmb(paste0("nbinom1", after), text("nb1", "@family(nbinom1)"), "nb1", f("nb1"), nbinom1)
  tmb(paste0("nbinom2 of glmmTMB", after), text("nb", "@family(negbinomial)"), "nb", f("nb"), nbinom2)
  tmb(paste0("beta", after), text("be", "@family(beta)"), "be", f("be"), beta_family())
  tmb(paste0("beta probit", after), text("be", "@family(beta(probit))"), "be", f("be"), beta_family("probit"))
  tmb(paste0("beta cloglog", after), text("be", "@family(beta(cloglog))"), "be", f("be"), beta_family("cloglog"))
  tmb(paste0("gaussian log", after), text("y", "@family(gaussian(log)) @dispersion(1)"), "y", f("y"), gaussian("log"))
  tmb(paste0("zipoisson", after), text("zi", "@family(poisson) @inflation(1 + z)"), "zi", f("zi"), poisson, ~z,
      dispersion = FALSE)
  tmb(paste0("zinbinom2", after), text("zinb", "@family(zinbinom2)"), "zinb", f("zinb"), nbinom2, ~1)
  tmb(paste0("zinbinom1", after), text("zinb", "@family(zinbinom1)"), "zinb", f("zinb"), nbinom1, ~1)
  tmb(paste0("hurdlepoisson", after), text("zi", "@family(hurdlepoisson) @inflation(1 + z)"), "zi", f("zi"),
      truncated_poisson, ~z, dispersion = FALSE)
  tmb(paste0("hurdlenbinom2", after), text("zinb", "@family(hurdlenbinom2)"), "zinb", f("zinb"), truncated_nbinom2, ~1)
  tmb(paste0("hurdlenbinom1", after), text("zinb", "@family(hurdlenbinom1)"), "zinb", f("zinb"), truncated_nbinom1, ~1)
  tmb(paste0("gaussian dispersion", after), text("g", "@dispersion(1 + z)"), "g", f("g"), gaussian, spread = ~z)
  tmb(paste0("nbinom2 dispersion", after), text("nb", "@family(nbinom2) @dispersion(1 + z)"), "nb", f("nb"), nbinom2,
      spread = ~z)
}
write(toJSON(values, auto_unbox = TRUE, digits = 14, pretty = TRUE), "values.json")
