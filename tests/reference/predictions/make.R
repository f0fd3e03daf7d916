# Predictions of lme4 and glmmTMB, residuals of glm, and an average marginal effect with its standard error.
# Run from the root of the repository: Rscript tests/reference/predictions/make.R
suppressMessages({library(lme4); library(glmmTMB); library(jsonlite); library(MASS)})
folder <- "tests/reference/predictions"
tight <- glm.control(epsilon = 1e-15, maxit = 100)

# ---- mixed models
sleep <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)))
new <- data.frame(Days = c(2, 12), Subject = c("308", "nobody"))
again <- glmmTMB(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
known <- predict(again, se.fit = TRUE)
bare <- predict(again, re.form = NA, se.fit = TRUE)
sleepstudy_values <- list(
  software = paste("lme4", packageVersion("lme4"), "and glmmTMB", packageVersion("glmmTMB")),
  given = unname(predict(sleep)), bare = unname(predict(sleep, re.form = NA)), new = new,
  new_given = unname(predict(sleep, new, allow.new.levels = TRUE)),
  given_se = unname(known$se.fit), bare_se = unname(bare$se.fit))

cbpp_fit <- glmmTMB(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial)
link <- predict(cbpp_fit, re.form = NA, se.fit = TRUE)
response <- predict(cbpp_fit, re.form = NA, type = "response", se.fit = TRUE)
cbpp_values <- list(
  software = paste("glmmTMB", packageVersion("glmmTMB")), link = unname(link$fit), link_se = unname(link$se.fit),
  response = unname(response$fit), response_se = unname(response$se.fit))

# ---- residuals
set.seed(7)
n <- 40
d <- data.frame(x = round(rnorm(n), 3), size = sample(1:9, n, TRUE))
eta <- 0.3 + 0.5 * d$x
d$gaussian <- round(eta + rnorm(n), 4)
d$bernoulli <- rbinom(n, 1, plogis(eta))
d$binomial <- rbinom(n, d$size, plogis(eta))
d$poisson <- rpois(n, exp(eta))
d$gamma <- round(rgamma(n, 2, scale = exp(eta) / 2), 4)
d$inversegaussian <- round(exp(eta) * (1 + 0.4 * runif(n, -1, 1)), 4)
write.csv(d, file.path(folder, "data.csv"), row.names = FALSE)
fits <- list(
  gaussian = glm(gaussian ~ x, data = d, control = tight),
  bernoulli = glm(bernoulli ~ x, binomial("probit"), d, control = tight),
  binomial = glm(cbind(binomial, size - binomial) ~ x, binomial, d, control = tight),
  poisson = glm(poisson ~ x, poisson, d, control = tight),
  gamma = glm(gamma ~ x, Gamma("log"), d, control = tight),
  inversegaussian = glm(inversegaussian ~ x, inverse.gaussian("log"), d, control = tight))
residual_values <- lapply(fits, function(fit) list(
  pearson = unname(residuals(fit, "pearson")), deviance = unname(residuals(fit, "deviance"))))

# ---- an average marginal effect, and its standard error by the delta method
probit <- fits$bernoulli
V <- summary(probit)$cov.unscaled
X <- model.matrix(probit)
eta <- drop(X %*% coef(probit))
b <- coef(probit)[2]
gradient <- colMeans(b * -eta * dnorm(eta) * X) + c(0, mean(dnorm(eta)))
# the observed information of a probit is not the expected one, which glm has
observed <- -numDeriv::hessian(function(b) sum(dbinom(d$bernoulli, 1, pnorm(drop(X %*% b)), log = TRUE)), coef(probit))
effect <- list(software = R.version.string, est = unname(mean(dnorm(eta)) * b),
               se = sqrt(drop(gradient %*% solve(observed, gradient))))

write_json(list(sleepstudy = sleepstudy_values, cbpp = cbpp_values, residuals = residual_values, effect = effect),
           file.path(folder, "values.json"), digits = 12, auto_unbox = TRUE)
