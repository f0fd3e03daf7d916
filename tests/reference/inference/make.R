# What R's lavaan 0.6-14 (Rosseel 2012) infers from fits of Gaussian models: standardised solutions, explained variances,
# modification indices, factor scores, Wald and score tests. Run from the root of the repository:
#     Rscript tests/reference/inference/make.R
# lavaan's search ends up to 1e-4 from the maximum: Newton's steps with its gradient and Hessian, in the directions that
# equality constraints leave, follow, so that values are good to the tolerances of the tests.
suppressMessages({library(lavaan); library(jsonlite)})
search <- lavaan:::lav_model_estimate
assignInNamespace("lav_model_estimate", function(lavmodel, lavpartable, lavsamplestats, lavdata, lavoptions, lavcache = list(), ...) {
  x <- search(lavmodel = lavmodel, lavpartable = lavpartable, lavsamplestats = lavsamplestats, lavdata = lavdata,
              lavoptions = lavoptions, lavcache = lavcache, ...)
  K <- if (lavmodel@eq.constraints) lavmodel@eq.constraints.K else diag(length(x))
  for (step in 1:4) {
    here <- lavaan:::lav_model_set_parameters(lavmodel, as.numeric(x))
    slope <- lavaan:::lav_model_gradient(here, lavsamplestats = lavsamplestats, lavdata = lavdata, lavcache = lavcache)
    curve <- lavaan:::lav_model_hessian(here, lavsamplestats = lavsamplestats, lavdata = lavdata, lavoptions = lavoptions,
                                        lavcache = lavcache)
    x[] <- x - drop(K %*% solve(t(K) %*% curve %*% K, t(K) %*% drop(slope)))
  }
  here <- lavaan:::lav_model_set_parameters(lavmodel, as.numeric(x))
  attr(x, "fx") <- lavaan:::lav_model_objective(here, lavsamplestats = lavsamplestats, lavdata = lavdata, lavcache = lavcache)
  x
}, "lavaan")

hs <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
democracy <- "ind60 =~ x1 + x2 + x3
dem60 =~ y1 + a*y2 + b*y3 + c*y4
dem65 =~ y5 + a*y6 + b*y7 + c*y8
dem60 ~ p*ind60
dem65 ~ q*ind60 + r*dem60
y1 ~~ y5
y2 ~~ y4 + y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8"
cases <- list(
  list(name = "hs", model = hs, args = list(), data = "holzinger",
       score = list(add = "visual =~ x9\nspeed =~ x3")),
  list(name = "hs_std_lv", model = hs, args = list(std_lv = TRUE, meanstructure = TRUE), data = "holzinger"),
  list(name = "mimic", model = paste0(hs, "\nvisual + textual + speed ~ ageyr + sex\nx9 ~ ageyr"), args = list(),
       data = "holzinger", score = list(add = "x3 ~ sex\nx7 ~~ x8")),
  list(name = "groups", model = hs, args = list(group = "school", group_equal = c("loadings", "intercepts")),
       data = "holzinger", score = list(release = c(1, 9))),
  list(name = "mimic_groups", model = paste0(hs, "\nvisual + textual ~ ageyr"),
       args = list(group = "school", group_equal = "loadings"), data = "holzinger"),
  list(name = "second_order", model = paste0(hs, "\nability =~ visual + textual + speed\nvisual ~ sex"), args = list(),
       data = "holzinger"),
  list(name = "democracy", model = democracy, args = list(), data = "political_democracy",
       wald = c("p == r", "p == 1\nq == 0.5 * r", "p * r == 1"), score = list()),
  list(name = "written", model = "visual =~ x1 + a*x2 + a*x3\ntextual =~ x4 + b*x5 + c*x6\nb == 1.1*c", args = list(),
       data = "holzinger", score = list()),
  list(name = "mediation", model = "x7 ~ a*x1\nx9 ~ b*x7 + c1*x1\nindirect := a * b\ntotal := c1 + a * b", args = list(),
       data = "holzinger", wald = "a * b == 0"),
  list(name = "two_levels", model = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1",
       args = list(cluster = "cluster"), data = "demo_twolevel"),
  list(name = "two_levels_factors", model = "level: 1\nfw =~ y1 + y2 + y3 + y4\nlevel: 2\nfb =~ y1 + y2 + y3 + y4",
       args = list(cluster = "cluster"), data = "demo_twolevel"))

datasets <- list(holzinger = HolzingerSwineford1939, political_democracy = PoliticalDemocracy, demo_twolevel = Demo.twolevel)

rows <- function(x, columns) {
  x <- as.data.frame(x)
  for (column in setdiff(columns, names(x))) x[[column]] <- NA
  list(columns = I(columns), rows = lapply(seq_len(nrow(x)), function(i) unname(lapply(x[i, columns], `[[`, 1))))
}
head_of <- function(x) {
  if (is.matrix(x)) x <- list(x)
  lapply(unname(x), function(block) {
    block <- unclass(block)
    lapply(seq_len(min(5, nrow(block))), function(i) I(as.numeric(block[i, ])))
  })
}
infer <- function(case) {
  args <- case$args
  names(args) <- gsub("_", ".", names(args))
  fit <- suppressWarnings(do.call("sem", c(list(case$model, datasets[[case$data]]), args)))
  levels <- lavInspect(fit, "nlevels")
  partable <- as.data.frame(Filter(length, fit@ParTable[c("lhs", "op", "rhs", "group", "level")]))
  if (is.null(partable$group)) partable$group <- 1
  key <- c("lhs", "op", "rhs", "group", "level")
  solutions <- lapply(setNames(nm = c("std.lv", "std.all", "std.nox")), function(kind) {
    found <- as.data.frame(standardizedSolution(fit, type = kind))
    # the solution has the rows of the parameter table in their order
    plain <- partable[!partable$op %in% c("==", "<", ">"), ]
    stopifnot(all(found$lhs == plain$lhs), all(found$rhs == plain$rhs))
    found$group <- pmax(plain$group, 1)
    found$level <- if (levels > 1L) pmax(plain$level, 1) else 1
    rows(found, c(key, "est.std", "se", "pvalue"))
  })
  indices <- suppressWarnings(as.data.frame(modindices(fit)))
  if (nrow(indices) && is.null(indices$group)) indices$group <- 1
  if (nrow(indices) && is.null(indices$level)) indices$level <- 1
  scores <- if (length(lavNames(fit, "lv")) == 0L) NULL else lapply(setNames(nm = c("regression", "Bartlett")), function(method)
    if (levels > 1L) lapply(1:2, function(l) list(score = head_of(lavPredict(fit, method = method, level = l))))
    else { found <- lavPredict(fit, method = method, se = "standard")
           list(list(score = head_of(found), se = head_of(attr(found, "se")))) })
  wald <- lapply(case$wald, function(text) { found <- lavTestWald(fit, text); list(text = text, stat = found$stat, df = found$df, p = found$p.value) })
  score <- if (is.null(case$score)) NULL else {
    found <- do.call("lavTestScore", c(list(fit), case$score))
    list(call = case$score, stat = found$test$X2, df = found$test$df, p = found$test$p.value, each = I(found$uni$X2))
  }
  list(name = case$name, model = case$model, args = case$args, data = case$data, loglik = as.numeric(logLik(fit)),
       solutions = solutions,
       rsquare = lapply(unname(lavInspect(fit, "rsquare", drop.list.single.group = FALSE)), function(x) as.list(unclass(x))),
       modification = if (nrow(indices)) rows(indices, c(key, "mi", "epc", "sepc.lv", "sepc.all", "sepc.nox")) else NULL,
       scores = scores, wald = wald, score = score)
}
writeLines(toJSON(list(software = paste0("lavaan ", packageVersion("lavaan"), ", ", R.version.string), cases = lapply(cases, infer)),
                  auto_unbox = TRUE, digits = 10, na = "null", null = "null"), "tests/reference/inference/values.json")
