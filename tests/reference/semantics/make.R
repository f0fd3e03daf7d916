# Makes values.json from cases.json. Run from the root of the repository:
#     Rscript tests/reference/semantics/make.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
folder <- "tests/reference/semantics"
cases <- fromJSON(file.path(folder, "cases.json"), simplifyVector = FALSE)

# Newton's steps from where lavaan's search ends, with its gradient and Hessian, in the parameters that are free under
# linear equality constraints
search <- lavaan:::lav_model_estimate
assignInNamespace("lav_model_estimate", function(lavmodel, lavsamplestats, lavdata, lavoptions, lavcache = list(), ...) {
    found <- search(lavmodel = lavmodel, lavsamplestats = lavsamplestats, lavdata = lavdata, lavoptions = lavoptions,
                    lavcache = lavcache, ...)
    if (!attr(found, "converged")) return(found)
    more <- list(lavsamplestats = lavsamplestats, lavdata = lavdata, lavcache = lavcache)
    x <- as.numeric(found)
    K <- if (lavmodel@eq.constraints) lavmodel@eq.constraints.K else diag(length(x))
    for (step in 1:5) {
        here <- lavaan:::lav_model_set_parameters(lavmodel, x)
        g <- drop(do.call(lavaan:::lav_model_gradient, c(list(here), more)))
        H <- do.call(lavaan:::lav_model_hessian, c(list(here, lavoptions = lavoptions), more))
        x <- x - drop(K %*% solve(t(K) %*% H %*% K, t(K) %*% g))
    }
    here <- lavaan:::lav_model_set_parameters(lavmodel, x)
    attributes(x) <- attributes(found)
    attr(x, "fx") <- do.call(lavaan:::lav_model_objective, c(list(here), more))
    x
}, "lavaan")

# The moments of fixed covariates are those of the unrestricted model. lavaan's EM algorithm for it ends at a change of
# 1e-4, and divides the mean of a variable of both levels between them, of which the part within clusters is then lost
# (0.0021 of 0.0192 for y2 of the first parted case): here all of it is between clusters.
saturated <- lavaan:::lav_mvnorm_cluster_em_sat
assignInNamespace("lav_mvnorm_cluster_em_sat", function(YLp, Lp, ..., tol, max.iter) {
    out <- saturated(YLp = YLp, Lp = Lp, ..., tol = -Inf, max.iter = 1500)
    within <- match(Lp$both.idx[[2]], Lp$ov.idx[[1]])
    between <- match(Lp$both.idx[[2]], Lp$ov.idx[[2]])
    out$Mu.B[between] <- out$Mu.B[between] + out$Mu.W[within]
    out$Mu.W[within] <- 0
    out
}, "lavaan")

data_of <- function(name) {
    path <- file.path("semgllamm/data/datasets", paste0(name, c(".csv", ".csv.gz")))
    read.csv(path[file.exists(path)][1])
}

fitted_case <- function(case) {
    args <- lapply(case$args, function(x) if (is.list(x)) unlist(x) else x)
    names(args) <- gsub("_", ".", names(args))
    data <- data_of(case$data)
    if (is.null(case$moments)) {
        args$data <- data
    } else {
        rows <- data[unlist(case$moments)]
        # groups in the order in which they appear
        parts <- if (is.null(case$by)) list(rows) else split(rows, factor(data[[case$by]], unique(data[[case$by]])))
        args$sample.cov <- lapply(parts, cov)
        args$sample.nobs <- lapply(parts, nrow)
        if (isTRUE(case$means)) args$sample.mean <- lapply(parts, colMeans)
        if (is.null(case$by)) args[c("sample.cov", "sample.nobs")] <- list(args$sample.cov[[1]], args$sample.nobs[[1]])
        if (is.null(case$by) && isTRUE(case$means)) args$sample.mean <- args$sample.mean[[1]]
    }
    control <- list(iter.max = 5000, eval.max = 10000)
    fit <- do.call(case[["function"]], c(list(model = case$model, control = control), args))
    if (!lavInspect(fit, "converged")) stop("no solution: ", case$name)
    table <- parameterEstimates(fit, remove.nonfree = FALSE)
    exogenous <- parTable(fit)$exo[seq_len(nrow(table))]
    for (column in c("group", "level", "label")) if (is.null(table[[column]])) table[[column]] <- if (column == "label") "" else 1
    keep <- !(table$op %in% c("==", "<", ">")) & !(exogenous %in% 1 & table$op %in% c("~~", "~1"))
    list(name = case$name, loglik = as.numeric(logLik(fit)), npar = as.integer(fitMeasures(fit, "npar")),
         chisq = as.numeric(fitMeasures(fit, "chisq")), df = as.integer(fitMeasures(fit, "df")),
         rows = lapply(which(keep), function(k) list(table$lhs[k], table$op[k], table$rhs[k], table$group[k],
                                                     table$level[k], table$est[k], table$se[k])))
}

values <- list(software = paste("lavaan", packageVersion("lavaan")), fits = lapply(cases, fitted_case))
write_json(values, file.path(folder, "values.json"), auto_unbox = TRUE, digits = 12, null = "null")
