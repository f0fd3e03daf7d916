# Fits the cases of cases.R with lavaan and stores all that it reports: cases/NAME.json, a file a case, tests of nested
# fits, Wald and score tests in tests.json, and coefficients of reliability in reliability.json.
# Run from the root of the repository, all cases or those named:
#     Rscript tests/reference/lavaan/make.R [NAME ...]
suppressMessages({library(lavaan); library(jsonlite)})
folder <- "tests/reference/lavaan"
source(file.path(folder, "cases.R"))
source(file.path(folder, "reliability.R"))
software <- paste0("lavaan ", packageVersion("lavaan"), ", ", R.version.string)

# The saturated models of data with holes and of two levels are found by EM, which lavaan ends early; run it to the end.
to_the_end <- list(em.h1.tol = 1e-11, em.h1.iter.max = 20000L)
# With two levels the last steps change the log-likelihood by less than its rounding: count them instead.
em_two_levels <- lavaan:::lav_mvnorm_cluster_em_sat
assignInNamespace("lav_mvnorm_cluster_em_sat", function(..., tol, max.iter) {
  em_two_levels(..., tol = -1, max.iter = 10000L)
}, "lavaan")

# ---- data -----------------------------------------------------------------------------------------------------------

datasets <- list(holzinger = HolzingerSwineford1939, political_democracy = PoliticalDemocracy,
                 demo_growth = Demo.growth, demo_twolevel = Demo.twolevel, facial_burns = FacialBurns)

# columns computed first, then holes where the complete data say so
data_of <- function(case) {
  complete <- datasets[[case$data]]
  for (name in names(case$columns)) complete[[name]] <- with(complete, eval(parse(text = case$columns[[name]])))
  data <- complete
  for (hole in case$holes) {
    by <- complete[[hole$by]]
    data[[hole$column]][by <= quantile(by, hole$at_most_quantile)] <- NA
  }
  data
}

arguments_of <- function(case) {
  written <- case$args
  names(written) <- gsub("_", ".", names(written))
  data <- data_of(case)
  if (!is.null(case$sample_cov)) {
    columns <- unlist(case$sample_cov$columns)
    given <- list(sample.cov = cov(data[columns]), sample.nobs = nrow(data))
    if (isTRUE(case$sample_cov$means)) given$sample.mean <- colMeans(data[columns])
  } else given <- list(data = data)
  c(list(model = case$model), given, written, to_the_end)
}

# lavaan's search ends where the estimates are good to 1e-4 or so. From there, Newton's steps on the conditions of
# Lagrange and of Kuhn & Tucker, with lavaan's own gradient g of its objective and its Hessian H:
#   [H + sum_k l_k c_k''   J'] [step]     [g + J'l]
#   [J                     0 ] [  d ] = - [   c   ]
# c: the equality constraints and those inequalities and bounds that hold with equality, J their Jacobian. The steps are
# part of lavaan's estimation here, so that the independence model of the baseline is found as exactly.
accuracy <- new.env()
search_of_lavaan <- lavaan:::lav_model_estimate
assignInNamespace("lav_model_estimate", function(lavmodel, lavpartable, lavsamplestats, lavdata, lavoptions, lavcache = list(), ...) {
  found <- search_of_lavaan(lavmodel = lavmodel, lavpartable = lavpartable, lavsamplestats = lavsamplestats, lavdata = lavdata,
                            lavoptions = lavoptions, lavcache = lavcache, ...)
  # what is asked at given values stays there
  if (!attr(found, "converged") || identical(tolower(lavoptions$optim.method), "none")) return(found)
  at <- function(x) lavaan:::lav_model_set_parameters(lavmodel, x)
  # casewise likelihoods of data with holes are summed over groups as they are
  weigh <- !lavsamplestats@missing.flag
  gradient <- function(x) drop(lavaan:::lav_model_gradient(at(x), lavsamplestats = lavsamplestats, lavdata = lavdata, lavcache = lavcache,
                                                           group.weight = weigh))
  hessian <- function(x) lavaan:::lav_model_hessian(at(x), lavsamplestats = lavsamplestats, lavdata = lavdata,
                                                    lavoptions = lavoptions, lavcache = lavcache, group.weight = weigh)
  x <- as.numeric(found)
  n <- length(x)
  free <- which(lavpartable$free > 0L & !duplicated(lavpartable$free))
  number <- lavpartable$free[free]
  bound <- rep(NA_real_, n)
  for (side in intersect(c("lower", "upper"), names(lavpartable))) {
    limit <- lavpartable[[side]][free]
    met <- is.finite(limit) & abs(x[number] - limit) < 1e-4
    bound[number[met]] <- limit[met]
  }
  at_bound <- which(!is.na(bound))
  met <- if (any(lavpartable$op %in% c("<", ">"))) which(abs(lavmodel@cin.function(x)) < 1e-3) else integer(0)
  constraint <- function(x) c(if (any(lavpartable$op == "==")) lavmodel@ceq.function(x),
                              if (length(met)) lavmodel@cin.function(x)[met], x[at_bound] - bound[at_bound])
  linear <- length(lavmodel@ceq.nonlinear.idx) + length(lavmodel@cin.nonlinear.idx) == 0L
  k <- length(constraint(x))
  jacobian <- function(x) if (k) numDeriv::jacobian(constraint, x) else matrix(0, 0L, n)
  J <- jacobian(x)
  l <- if (k) drop(MASS::ginv(t(J)) %*% -gradient(x)) else numeric(0)
  slope <- function(x, l, J) c(gradient(x) + drop(t(J) %*% l), constraint(x))
  for (iteration in 1:8) {
    if (max(abs(slope(x, l, J))) < 1e-12) break
    curved <- if (linear) 0 else numDeriv::jacobian(function(z) drop(t(jacobian(z)) %*% l), x)
    system <- rbind(cbind(hessian(x) + curved, t(J)), cbind(J, matrix(0, k, k)))
    step <- -drop(MASS::ginv(system, tol = 1e-13) %*% slope(x, l, J))
    x <- x + step[seq_len(n)]; l <- l + step[n + seq_len(k)]
    if (!linear) J <- jacobian(x)
  }
  better <- lavaan:::lav_model_objective(at(x), lavsamplestats = lavsamplestats, lavdata = lavdata, lavcache = lavcache)
  stopifnot(better <= attr(found, "fx") + 1e-12 || k > 0)
  # the model proper is estimated before its baseline
  if (is.null(accuracy$moved)) { accuracy$moved <- max(abs(x - as.numeric(found))); accuracy$slope <- max(abs(slope(x, l, J))) }
  attributes(x) <- attributes(found)
  attr(x, "fx") <- better
  attr(x, "dx") <- gradient(as.numeric(x))
  x
}, "lavaan")

fit_of <- function(case) {
  accuracy$moved <- accuracy$slope <- NULL
  fit <- suppressWarnings(do.call(case$`function`, arguments_of(case)))
  stopifnot(lavInspect(fit, "converged"), accuracy$moved < 2e-2)
  list(fit = fit, moved = accuracy$moved, slope = accuracy$slope)
}

# ---- values as JSON -------------------------------------------------------------------------------------------------

attempt <- function(value) tryCatch(suppressWarnings(value), error = function(e) NULL)
named <- function(x) if (length(x) == 0L || is.null(names(x))) NULL else as.list(setNames(as.numeric(x), names(x)))
lower <- function(x) {
  if (is.null(x) || nrow(x) == 0L) return(NULL)
  x <- unclass(x)
  list(names = I(rownames(x)), lower = lapply(seq_len(nrow(x)), function(i) I(as.numeric(x[i, seq_len(i)]))))
}
table <- function(x) {
  if (is.null(x)) return(NULL)
  x <- as.data.frame(x)
  list(columns = I(names(x)), rows = lapply(seq_len(nrow(x)), function(i) unname(lapply(x, `[[`, i))))
}
# each row and each matrix row on a line
encode <- function(x) toJSON(x, auto_unbox = TRUE, digits = NA, na = "null", null = "null")
lines_of <- function(x, indent = "") {
  deeper <- paste0(indent, " ")
  if (is.list(x) && !is.null(names(x)) && length(x)) {
    inner <- vapply(names(x), function(key) paste0(deeper, encode(key), ": ", lines_of(x[[key]], deeper)), "")
    whole <- encode(x)
    if (nchar(whole) < 110) return(whole)
    return(paste0("{\n", paste(inner, collapse = ",\n"), "\n", indent, "}"))
  }
  if (is.list(x) && length(x)) {
    whole <- encode(x)
    if (nchar(whole) < 110) return(whole)
    inner <- vapply(x, function(part) paste0(deeper, if (is.list(part) && is.null(names(part))) encode(part) else lines_of(part, deeper)), "")
    return(paste0("[\n", paste(inner, collapse = ",\n"), "\n", indent, "]"))
  }
  encode(x)
}
store <- function(x, ...) writeLines(lines_of(x), file.path(folder, ...))

# ---- what a fit reports ---------------------------------------------------------------------------------------------

blocks <- function(fit, what) attempt(lavInspect(fit, what, drop.list.single.group = FALSE))

moments <- function(fit, what) lapply(blocks(fit, what), function(block) {
  block <- list(cov = lower(block$cov), mean = named(unclass(block$mean)))
  Filter(Negate(is.null), block)
})

residual_kinds <- function(fit) {
  kinds <- c("raw", "normalized", "standardized", "cor", "cor.bentler")
  setNames(lapply(kinds, function(kind) {
    found <- attempt(residuals(fit, type = kind))
    if (is.null(found)) return(NULL)
    one <- !is.null(found$cov)
    lapply(if (one) list(found) else found, function(block)
      Filter(Negate(is.null), list(cov = lower(block$cov), mean = named(unclass(block$mean)))))
  }), kinds)
}

parameters_of <- function(fit) {
  key <- c("lhs", "op", "rhs", "block", "group", "level")
  found <- attempt(parameterEstimates(fit, standardized = TRUE, remove.system.eq = TRUE, remove.eq = FALSE,
                                      remove.ineq = FALSE, remove.def = FALSE))
  if (is.null(found)) found <- parameterEstimates(fit, se = TRUE, zstat = TRUE)
  found <- as.data.frame(found)
  # levels have no column in the standardised solution: rows that read alike are matched in their order
  numbered <- function(x, columns) {
    name <- do.call(paste, c(x[columns], sep = "\r"))
    paste(name, ave(seq_along(name), name, FUN = seq_along), sep = "\r")
  }
  for (kind in c("std.lv", "std.all", "std.nox")) {
    other <- attempt(as.data.frame(standardizedSolution(fit, type = kind)))
    if (is.null(other)) next
    same <- intersect(key, intersect(names(other), names(found)))
    found[[paste0("se.", kind)]] <- other$se[match(numbered(found, same), numbered(other, same))]
  }
  found
}

# scores of the latent variables of the first ten units of each group, by the units' row (from 0) or cluster, with standard
# errors where given (one row where all units have the same)
scores_of <- function(fit, method, levels) {
  at <- function(level) {
    found <- attempt(if (levels > 1L) lavPredict(fit, method = method, level = level) else lavPredict(fit, method = method, se = "standard"))
    if (is.null(found)) return(NULL)
    errors <- attr(found, "se")
    if (!is.list(found)) found <- list(found)
    if (!is.null(errors) && !is.list(errors)) errors <- list(errors)
    if (ncol(found[[1]]) == 0L) return(NULL)
    units <- if (level == 2L) list(lavInspect(fit, "cluster.id")) else lapply(lavInspect(fit, "case.idx", drop.list.single.group = FALSE), function(i) i - 1L)
    rows <- function(x) { x <- unclass(x); lapply(seq_len(min(10L, nrow(x))), function(i) I(as.numeric(x[i, ]))) }
    lapply(seq_along(found), function(g) {
      se <- errors[[g]]
      list(names = I(colnames(found[[g]])), units = I(as.numeric(head(units[[g]], 10L))), scores = rows(found[[g]]),
           se = if (is.null(se) || ncol(se) != ncol(found[[g]])) NULL else rows(se))
    })
  }
  if (levels > 1L) list(row = at(1L), cluster = at(2L)) else list(row = at(1L))
}

report <- function(case) {
  fitted <- fit_of(case)
  fit <- fitted$fit
  options <- lavInspect(fit, "options")
  levels <- lavInspect(fit, "nlevels")
  measures <- attempt(fitMeasures(fit))
  thin <- isTRUE(case$thin)
  head <- list(
    name = case$name, model = I(strsplit(case$model, "\n")[[1]]), `function` = case$`function`, args = case$args,
    data = case$data, columns = case$columns, holes = case$holes, sample_cov = case$sample_cov,
    about = case$about, software = software)
  head <- Filter(Negate(is.null), head)
  if (length(head$args) == 0L) head$args <- setNames(list(), character(0))
  values <- list(
    options = lapply(options[c("estimator", "se", "test", "information", "missing", "likelihood", "meanstructure", "fixed.x")], unique),
    converged = lavInspect(fit, "converged"), admissible = attempt(lavInspect(fit, "post.check")),
    accuracy = list(moved = fitted$moved, slope = fitted$slope),
    nobs = I(lavInspect(fit, "nobs")), groups = I(lavInspect(fit, "group.label")),
    loglik = attempt(unname(measures["logl"])), loglik_unrestricted = attempt(unname(measures["unrestricted.logl"])),
    npar = unname(measures["npar"]), df = unname(measures["df"]), fit_measures = named(measures),
    parameters = table(parameters_of(fit)))
  if (!thin) values <- c(values, list(
    rsquare = attempt({
      r <- lavInspect(fit, "rsquare", drop.list.single.group = FALSE)
      lapply(unname(r), named)
    }),
    modification_indices = table(attempt(modindices(fit))),
    sample = moments(fit, "sampstat"), implied = moments(fit, "implied"),
    latent = {
      cov <- blocks(fit, "cov.lv"); mean <- blocks(fit, "mean.lv")
      if (is.null(cov)) NULL else lapply(seq_along(cov), function(b) list(cov = lower(cov[[b]]), mean = named(unclass(mean[[b]]))))
    },
    residuals = residual_kinds(fit),
    scores = list(regression = scores_of(fit, "regression", levels), bartlett = scores_of(fit, "Bartlett", levels))))
  c(head, list(values = values))
}

# ---- tests ----------------------------------------------------------------------------------------------------------

by_name <- setNames(cases, vapply(cases, `[[`, "", "name"))
fits <- new.env()
fit_named <- function(name) {
  if (is.null(fits[[name]])) assign(name, fit_of(by_name[[name]])$fit, envir = fits)
  fits[[name]]
}

compare <- function(test) {
  found <- as.data.frame(suppressWarnings(do.call(lavTestLRT, c(lapply(unname(test$fits), fit_named), method = test$method))))
  # most restricted last, as asked
  list(name = test$name, fits = I(test$fits), method = test$method, table = table(cbind(fit = test$fits, found)))
}
wald <- function(test) {
  found <- lavTestWald(fit_named(test$fit), test$constraints)
  list(name = test$name, fit = test$fit, constraints = I(strsplit(test$constraints, "\n")[[1]]),
       stat = found$stat, df = found$df, p = found$p.value)
}
score <- function(test) {
  fit <- fit_named(test$fit)
  arguments <- list(fit)
  if (!is.null(test$add)) arguments$add <- test$add
  if (!is.null(test$release)) arguments$release <- test$release
  found <- suppressWarnings(do.call(lavTestScore, arguments))
  rows <- as.data.frame(found$uni)
  # parameters by their own names instead of lavaan's running numbers
  partable <- parTable(fit)
  called <- function(p) {
    i <- match(p, partable$plabel)
    ifelse(is.na(i), p, paste0(partable$lhs, partable$op, partable$rhs, ifelse(partable$group > 1, paste0(".g", partable$group), ""))[i])
  }
  rows$lhs <- called(rows$lhs); rows$rhs <- called(rows$rhs)
  list(name = test$name, fit = test$fit, add = if (is.null(test$add)) NULL else I(strsplit(test$add, "\n")[[1]]),
       release = if (is.null(test$release)) NULL else I(test$release),
       total = named(c(stat = found$test$X2, df = found$test$df, p = found$test$p.value)), each = table(rows))
}

# ---- run ------------------------------------------------------------------------------------------------------------

wanted <- commandArgs(trailingOnly = TRUE)
dir.create(file.path(folder, "cases"), showWarnings = FALSE)
for (case in cases) if (length(wanted) == 0L || case$name %in% wanted) {
  began <- proc.time()[[3]]
  printed <- capture.output(found <- tryCatch(report(case), error = function(e) { message(case$name, " FAILED: ", conditionMessage(e)); NULL }))
  if (is.null(found)) next
  store(found, "cases", paste0(case$name, ".json"))
  v <- found$values
  message(sprintf("%-34s %s logl %.4f df %g  moved %.1e slope %.1e  %.0f s", case$name, if (v$converged) "ok " else "NO ",
                  if (is.null(v$loglik)) NA else v$loglik, v$df, v$accuracy$moved, v$accuracy$slope, proc.time()[[3]] - began))
}
if (length(wanted) == 0L || "tests" %in% wanted) {
  store(list(software = software, compare = lapply(comparisons, compare), wald = lapply(walds, wald), score = lapply(scores, score)), "tests.json")
  store(c(list(software = software), reliabilities(fit_named)), "reliability.json")
}
