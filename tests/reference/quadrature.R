# What the scripts that make reference values share: Gauss-Hermite rules, log-likelihoods by brute force, and storing.
# Nothing here knows of semgllamm: the integrals are sums over many fixed points, the maximisers and derivatives R's.

suppressPackageStartupMessages({library(numDeriv); library(jsonlite)})

# points and weights for the standard normal density (Golub and Welsch)
hermite <- function(n) {
    off <- sqrt(seq_len(n - 1))
    recurrence <- matrix(0, n, n)
    recurrence[cbind(1:(n - 1), 2:n)] <- off
    recurrence[cbind(2:n, 1:(n - 1))] <- off
    spectrum <- eigen(recurrence, symmetric = TRUE)
    list(z = spectrum$values, w = spectrum$vectors[1, ]^2)
}

log_sum_exp <- function(rows) {
    top <- apply(rows, 1, max)
    top + log(rowSums(exp(rows - top)))
}

# log(1 + exp(x)) without overflow
softplus <- function(x) pmax(x, 0) + log1p(exp(-abs(x)))

# Two-level random-coefficient model: sum over clusters of log of the integral of prod f(y | X b + Z u) phi(u; 0, Psi).
# The points are placed once, by the modes and variances of a fitted lme4 model, so that the sum is a smooth
# function of the parameters. `logf(nu)` is the log density of every row; psi(par) the covariance matrix.
two_level <- function(X, Z, cluster, logf, fitted, n_points) {
    cluster <- as.integer(factor(cluster))
    d <- ncol(Z)
    rule <- hermite(n_points)
    z <- as.matrix(expand.grid(rep(list(rule$z), d)))
    log_w <- rowSums(as.matrix(expand.grid(rep(list(log(rule$w)), d))))
    modes <- as.matrix(lme4::ranef(fitted, condVar = TRUE)[[1]])
    variances <- attr(lme4::ranef(fitted, condVar = TRUE)[[1]], "postVar")
    J <- max(cluster)
    nodes <- array(0, c(J, d, nrow(z)))
    log_weight <- matrix(0, J, nrow(z))
    for (j in seq_len(J)) {
        root <- t(chol(variances[, , j]))
        nodes[j, , ] <- modes[j, ] + root %*% t(z)
        log_weight[j, ] <- log_w + sum(log(diag(root))) + rowSums(z^2) / 2 + d / 2 * log(2 * pi)
    }
    function(beta, psi) {
        fixed <- drop(X %*% beta)
        precision <- solve(psi)
        log_prior <- -d / 2 * log(2 * pi) - as.numeric(determinant(psi)$modulus) / 2
        terms <- sapply(seq_len(nrow(z)), function(k) {
            u <- matrix(nodes[, , k], J, d)
            by_row <- logf(fixed + rowSums(Z * u[cluster, , drop = FALSE]))
            rowsum(by_row, cluster)[, 1] + log_prior - rowSums((u %*% precision) * u) / 2 + log_weight[, k]
        })
        sum(log_sum_exp(terms))
    }
}

# Fourth-order central differences. The step is absolute: numDeriv's is relative, and too small for parameters near zero.
differences <- function(f, par, h = 1e-3) {
    sapply(seq_along(par), function(k) {
        at <- function(steps) f(replace(par, k, par[k] + steps * h))
        (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * h)
    })
}

# Maximise by quasi-Newton and then Newton steps; standard errors from the matrix of second differences.
maximise <- function(loglik, start, gradient = function(par) differences(loglik, par),
                     hessian = function(par) differences(gradient, par), steps = 2) {
    found <- optim(start, loglik, gradient, method = "BFGS", control = list(fnscale = -1, maxit = 500, reltol = 1e-12))
    par <- found$par
    for (step in seq_len(steps)) par <- par - solve(hessian(par), gradient(par))
    information <- -hessian(par)
    list(par = par, se = sqrt(diag(solve((information + t(information)) / 2))), loglik = loglik(par),
         gradient = max(abs(gradient(par))))
}

software <- function(...) {
    c(R.version.string, vapply(c(...), function(p) paste(p, packageVersion(p)), ""))
}

# One result: a method, what it gives, and to what distance another program must agree.
result <- function(software, quadrature, loglik, estimates = NULL, se = NULL, tolerance, note = NULL) {
    found <- list(software = I(unname(software)), quadrature = quadrature, loglik = loglik)
    if (!is.null(estimates)) found$estimates <- as.list(estimates)
    if (!is.null(se)) found$se <- as.list(se)
    found$tolerance <- as.list(tolerance)
    if (!is.null(note)) found$note <- note
    found
}

store <- function(folder, data, source, results, ...) {
    content <- list(data = data, source = source, ..., results = results)
    text <- toJSON(content, digits = I(12), auto_unbox = TRUE, pretty = TRUE)
    writeLines(text, file.path("tests/reference", folder, "values.json"))
    for (name in names(results)) cat(sprintf("%-12s %-12s %.8f\n", folder, name, results[[name]]$loglik))
}
