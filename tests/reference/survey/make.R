# Survey designs: R's survey for regressions, and sandwiches of other models from scores that are written out here.
#   Rscript tests/reference/survey/make.R
suppressMessages({library(survey); library(lavaan); library(lme4); library(jsonlite)})
folder <- "tests/reference/survey"
set.seed(20)

# strata of unequal sizes, schools drawn in each, pupils in schools
N <- c(north = 18, south = 30, east = 12, west = 25)
n <- c(north = 6, south = 5, east = 4, west = 9)
rows <- list()
for (h in names(N)) for (k in seq_len(n[[h]])) {
    m <- sample(4:9, 1)
    u <- rnorm(1) + match(h, names(N)) / 3
    x <- rnorm(m)
    f <- 0.5 * u + rnorm(m)
    rows[[length(rows) + 1]] <- data.frame(
        region = h, school = k, population = N[[h]], share = n[[h]] / N[[h]], x = x,
        y = round(1 + 0.6 * x + u + rnorm(m), 4), b = rbinom(m, 1, plogis(0.5 * x + u)),
        count = rpois(m, exp(0.3 * x + u / 2)), g1 = round(f + rnorm(m), 4), g2 = round(0.8 * f + rnorm(m), 4),
        g3 = round(1.2 * f + rnorm(m), 4), g4 = round(0.9 * f + rnorm(m), 4), w = round(N[[h]] / n[[h]] * runif(m, 1, 3), 4))
}
data <- do.call(rbind, rows)
data$x <- round(data$x, 4)
data$unit <- paste(data$region, data$school)
write.csv(data, file.path(folder, "data.csv"), row.names = FALSE)

designs <- list(
    clusters = svydesign(~unit, weights = ~w, data = data),
    strata = svydesign(~unit, strata = ~region, weights = ~w, data = data),
    fpc = svydesign(~unit, strata = ~region, weights = ~w, fpc = ~population, data = data),
    rows = svydesign(~1, strata = ~region, weights = ~w, data = data))
models <- list(gaussian = list(y ~ x, gaussian()), logit = list(b ~ x, quasibinomial()), poisson = list(count ~ x, quasipoisson()))
found <- lapply(designs, function(d) lapply(models, function(m) {
    fit <- svyglm(m[[1]], d, family = m[[2]])
    list(coef = unname(coef(fit)), se = unname(sqrt(diag(vcov(fit)))))
}))

# replicates: R's factors of each type, and the standard errors by survey's mean of squares
stratified <- designs$strata
pairs <- subset(data, school <= 2)
two <- svydesign(~unit, strata = ~region, weights = ~w, data = pairs)
set.seed(3)
types <- list(
    JK1 = as.svrepdesign(svydesign(~unit, weights = ~w, data = data), type = "JK1"),
    JKn = as.svrepdesign(stratified, type = "JKn"),
    BRR = as.svrepdesign(two, type = "BRR"),
    Fay = as.svrepdesign(two, type = "Fay", fay.rho = 0.3),
    bootstrap = as.svrepdesign(stratified, type = "subbootstrap", replicates = 30))
replicates <- lapply(names(types), function(name) {
    d <- types[[name]]
    W <- weights(d, type = "analysis")
    from <- if (name %in% c("BRR", "Fay")) pairs else data
    write.csv(cbind(row = as.integer(rownames(from)), as.data.frame(round(W, 10))), file.path(folder, paste0(name, ".csv")),
              row.names = FALSE)
    fit <- svyglm(b ~ x, d, family = quasibinomial())
    d$mse <- TRUE
    about <- svyglm(b ~ x, d, family = quasibinomial())
    list(scale = d$scale, rscales = d$rscales, coef = unname(coef(fit)), se = unname(sqrt(diag(vcov(fit)))),
         se_mse = unname(sqrt(diag(vcov(about)))))
})
names(replicates) <- names(types)

# the clusters of lavaan, with weights
fit <- cfa("f =~ g1 + g2 + g3 + g4", data, estimator = "MLR", cluster = "unit", sampling.weights = "w", meanstructure = TRUE)
table <- parameterEstimates(fit)
cfa <- list(lhs = table$lhs, op = table$op, rhs = table$rhs, est = table$est, se = table$se)
# and of its scores in strata: A from the same fit, B about the means of the strata (Binder 1983)
# (lavScores leaves the weights out)
S <- lavScores(fit) * data$w / mean(data$w)
A <- nrow(data) * lavInspect(fit, "information.observed")
by <- rowsum(S, data$unit)
stratum <- data$region[match(rownames(by), data$unit)]
B <- matrix(0, ncol(S), ncol(S))
for (h in unique(stratum)) {
    s <- scale(by[stratum == h, ], scale = FALSE)
    B <- B + (1 - n[[h]] / N[[h]]) * n[[h]] / (n[[h]] - 1) * crossprod(s)
}
cfa$se_strata <- unname(sqrt(diag(solve(A) %*% B %*% solve(A))))

# random intercepts by glmer: scores of schools by differences of their log-likelihoods at its estimates, 25 points
mixed <- glmer(b ~ x + (1 | unit), data, binomial, nAGQ = 25)
theta <- c(fixef(mixed), getME(mixed, "theta")^2)
# Gauss-Hermite for the standard normal density, by the eigenvalues of its recurrence (Golub & Welsch 1969)
J <- diag(0, 41); J[cbind(1:40, 2:41)] <- J[cbind(2:41, 1:40)] <- sqrt(1:40)
e <- eigen(J, symmetric = TRUE); z <- e$values; weight <- e$vectors[1, ]^2
log_unit <- function(t, d) {
    eta <- outer(t[1] + t[2] * d$x, sqrt(t[3]) * z, "+")
    log(sum(weight * exp(colSums(matrix(dbinom(d$b, 1, plogis(eta), log = TRUE), nrow(d))))))
}
parts <- split(data, data$unit)
total <- function(t) sum(sapply(parts, log_unit, t = t))
theta <- optim(theta, function(t) -total(t), method = "BFGS", control = list(reltol = 1e-15, maxit = 500))$par
step <- 1e-4
slopes <- function(t) t(sapply(parts, function(d) sapply(1:3, function(k) {
    h <- replace(numeric(3), k, step)
    (log_unit(t - 2 * h, d) - 8 * log_unit(t - h, d) + 8 * log_unit(t + h, d) - log_unit(t + 2 * h, d)) / (12 * step)
})))
theta <- theta
for (again in 1:5) {
    S <- slopes(theta)
    H <- -sapply(1:3, function(k) { h <- replace(numeric(3), k, step); colSums(slopes(theta + h) - slopes(theta - h)) / (2 * step) })
    theta <- theta + solve(H, colSums(S))
}
region <- sapply(parts, function(d) d$region[1])
plain <- solve(H) %*% crossprod(slopes(theta)) %*% solve(H)
B <- matrix(0, 3, 3); S <- slopes(theta)
for (h in unique(region)) {
    s <- scale(S[region == h, ], scale = FALSE)
    B <- B + (1 - n[[h]] / N[[h]]) * n[[h]] / (n[[h]] - 1) * crossprod(s)
}
glmer <- list(glmer_coef = unname(fixef(mixed)), glmer_sd = unname(getME(mixed, "theta")), coef = theta,
              se_model = sqrt(diag(solve(H))), se_robust = sqrt(diag(plain)), se_strata = sqrt(diag(solve(H) %*% B %*% solve(H))))

software <- paste0("R ", getRversion(), ", survey ", packageVersion("survey"), ", lavaan ", packageVersion("lavaan"), ", lme4 ",
                   packageVersion("lme4"))
write(toJSON(list(software = software, svyglm = found, replicates = replicates, cfa = cfa, glmer = glmer), digits = 12,
             auto_unbox = TRUE, pretty = TRUE), file.path(folder, "values.json"))
