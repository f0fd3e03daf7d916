# Mixtures of regressions by flexmix, and Gaussian profiles by mclust.
# Rscript make.R (in this folder) writes npreg.csv, faithful.csv, iris.csv and values.json; ../test_mixture_references.py
# fits the models. Needs r-cran-flexmix, r-cran-mclust and r-cran-jsonlite.
suppressMessages({library(flexmix); library(mclust); library(jsonlite)})
version <- function(name) paste(name, packageVersion(name))
values <- list()

# ---- flexmix's artificial data: two components, of which one bends

set.seed(29)
npreg <- ExNPreg(100)[, c("x", "yn", "yp", "class")]
npreg$x2 <- npreg$x^2 / 10
write.csv(npreg, "npreg.csv", row.names = FALSE)
npreg <- read.csv("npreg.csv")
tight <- list(tolerance = 0, iter.max = 3000, minprior = 0)

# counts: flexmix's M-step is maximum likelihood, and EM is run until nothing moves
fit <- flexmix(yp ~ x, npreg, k = 2, cluster = npreg$class, model = FLXMRglm(family = "poisson"), control = tight)
b <- parameters(fit)
order <- order(-prior(fit))
values$npreg_poisson <- list(
  data = "npreg.csv", software = c(R.version.string, version("flexmix")),
  text = "@latent(c, classes(2))\nyp ~ c @family(poisson)\n@class(c, 1)\nyp ~ x\n@class(c, 2)\nyp ~ x",
  loglik = as.numeric(logLik(fit)), shares = prior(fit)[order],
  estimates = list(`yp~1` = b[1, order], `yp~x` = b[2, order]))

# Gaussian: flexmix divides residual variances by n less the rank, which is not the maximum: from its result on, EM with
# the maximum likelihood variances
fit <- flexmix(yn ~ x + x2, npreg, k = 2, cluster = npreg$class, control = tight)
X <- cbind(1, npreg$x, npreg$x2); y <- npreg$yn
p <- posterior(fit)
for (i in 1:5000) {
  prior <- colMeans(p)
  fits <- lapply(1:2, function(k) lm.wfit(X, y, p[, k]))
  mu <- sapply(fits, function(f) X %*% f$coefficients)
  sd <- sapply(1:2, function(k) sqrt(sum(p[, k] * (y - mu[, k])^2) / sum(p[, k])))
  f <- sapply(1:2, function(k) prior[k] * dnorm(y, mu[, k], sd[k]))
  p <- f / rowSums(f)
}
order <- order(-prior)
b <- sapply(fits, coef)
values$npreg_gaussian <- list(
  data = "npreg.csv", software = c(R.version.string, version("flexmix")),
  text = paste0("@latent(c, classes(2))\nyn ~ c\n@class(c, 1)\nyn ~ x + x2\nyn ~~ yn\n@class(c, 2)\nyn ~ x + x2\nyn ~~ yn"),
  loglik = sum(log(rowSums(f))), shares = prior[order],
  estimates = list(`yn~1` = b[1, order], `yn~x` = b[2, order], `yn~x2` = b[3, order], `yn~~yn` = sd[order]^2))

# ---- mclust: diagonal with one volume (EEI) and with volumes and shapes by class (VVI), one covariance
# matrix (EEE) and one for each class (VVV)

faithful$waiting <- faithful$waiting / 10
write.csv(faithful, "faithful.csv", row.names = FALSE)
flowers <- iris; names(flowers) <- c("sl", "sw", "pl", "pw", "species")
write.csv(flowers, "iris.csv", row.names = FALSE)
profile <- function(name, data, G, kind) {
  x <- as.matrix(read.csv(paste0(data, ".csv"))[, if (data == "iris") 1:4 else 1:2])
  control <- emControl(tol = c(1e-13, 1e-13), itmax = c(1e5, 1e5))
  fit <- Mclust(x, G, kind, control = control, verbose = FALSE)
  # from the hierarchical start mclust may end at a local maximum: from random ones as well
  set.seed(1)
  for (i in 1:100) {
    other <- me(x, kind, unmap(sample(G, nrow(x), TRUE)), control = control, warn = FALSE)
    if (is.finite(other$loglik) && other$loglik > fit$loglik + 1e-8) fit <- other
  }
  y <- colnames(x); order <- order(-fit$parameters$pro)
  text <- paste0("@latent(c, classes(", G, "))\nc =~ ", paste(y, collapse = " + "))
  S <- fit$parameters$variance$sigma
  means <- setNames(lapply(y, function(v) fit$parameters$mean[v, order]), paste0(y, "~1"))
  if (kind == "VVI") {
    text <- paste0(text, paste0("\n@class(c, ", 1:G, ")\n", paste(paste(y, "~~", y), collapse = "\n"), collapse = ""))
    more <- setNames(lapply(seq_along(y), function(j) S[j, j, order]), paste0(y, "~~", y))
  } else if (kind == "VVV") {
    pairs <- which(upper.tri(diag(length(y)), diag = TRUE), arr.ind = TRUE)
    cells <- paste0(y[pairs[, 1]], "~~", y[pairs[, 2]])
    text <- paste0(text, paste0("\n@class(c, ", 1:G, ")\n", paste(cells, collapse = "\n"), collapse = ""))
    more <- setNames(lapply(seq_along(cells), function(m) S[pairs[m, 1], pairs[m, 2], order]), cells)
  } else {
    pairs <- if (kind == "EEE") combn(length(y), 2) else matrix(0, 2, 0)
    text <- paste0(text, paste0("\n", y[pairs[1, ]], " ~~ ", y[pairs[2, ]], collapse = "")[kind == "EEE"])
    more <- setNames(lapply(seq_along(y), function(j) S[j, j, 1]), paste0(y, "~~", y))
    more <- c(more, setNames(lapply(seq_len(ncol(pairs)), function(m) S[pairs[1, m], pairs[2, m], 1]),
                             paste0(y[pairs[1, ]], rep("~~", ncol(pairs)), y[pairs[2, ]])))
  }
  if (length(text) == 0) text <- paste0("@latent(c, classes(", G, "))\nc =~ ", paste(y, collapse = " + "))
  values[[name]] <<- list(data = paste0(data, ".csv"), software = c(R.version.string, version("mclust")), text = text,
                          loglik = fit$loglik, shares = fit$parameters$pro[order], estimates = c(means, more))
}
for (kind in c("EEI", "VVI", "EEE")) {
  profile(paste0("faithful_", kind), "faithful", 2, kind)
  profile(paste0("iris_", kind), "iris", 3, kind)
}
profile("iris_VVV", "iris", 3, "VVV")
write(toJSON(values, digits = NA, auto_unbox = TRUE, pretty = TRUE), "values.json")
