# Values of lavaan for other estimators than maximum likelihood with standard errors from the information matrix:
# robust standard errors, scaled tests, least squares, clusters, sampling weights, and differences of chi-squares.
# Rscript make.R writes values.json; ../test_robust.py holds the models.
library(lavaan)
library(jsonlite)

factors <- "visual  =~ x1 + x2 + x3
textual =~ x4 + x5 + x6
speed   =~ x7 + x8 + x9"
pair <- "visual  =~ x1 + x2 + x3
textual =~ x4 + x5 + x6"
causes <- paste(pair, "visual + textual ~ age + x9", sep = "\n")
regression <- "x1 ~ x4 + age\nx7 ~ x1 + x9"
single <- "f =~ y1 + y2 + y3 + y4 + y5 + y6\nf ~ x1 + x2"

data <- HolzingerSwineford1939
data$age <- data$ageyr - 13 + data$agemo / 12
data$w <- 0.5 + (seq_len(nrow(data)) %% 7) / 6
holes <- data
for (k in 1:9) holes[(seq_len(nrow(data)) + 3 * k) %% 11 == 0, paste0("x", k)] <- NA

wanted <- c("npar", "logl", "chisq", "df", "pvalue", "chisq.scaled", "df.scaled", "pvalue.scaled", "chisq.scaling.factor",
            "baseline.chisq", "baseline.df", "baseline.pvalue", "baseline.chisq.scaled", "baseline.df.scaled",
            "baseline.chisq.scaling.factor")
values <- list()
keep <- function(name, fit) {
  table <- parameterEstimates(fit)
  found <- intersect(names(table), c("lhs", "op", "rhs", "group", "level", "est", "se"))
  measures <- if (fit@optim$converged) fitMeasures(fit) else { message("not converged: ", name); return(fit) }
  measures <- as.list(measures[intersect(wanted, names(measures))])
  scaled <- fit@test[[length(fit@test)]]
  if (!is.null(scaled$shift.parameter)) measures$shift.parameter <- scaled$shift.parameter
  values[[name]] <<- list(table = table[found], measures = measures, vcov = unname(as.matrix(vcov(fit))))
  invisible(fit)
}
for (e in c("ML", "MLR", "MLM", "MLMV", "MLMVS", "MLF", "GLS", "ULS", "WLS"))
  keep(paste0("factors_", e), cfa(factors, data, estimator = e))
for (e in c("MLR", "MLM", "MLMV", "GLS", "ULS", "WLS")) {
  keep(paste0("means_", e), cfa(factors, data, estimator = e, meanstructure = TRUE))
  keep(paste0("causes_", e), sem(causes, data, estimator = e))
  keep(paste0("causes_means_", e), sem(causes, data, estimator = e, meanstructure = TRUE))
  keep(paste0("groups_", e), cfa(pair, data, estimator = e, group = "school"))
}
fits <- list()
for (e in c("ML", "MLR", "MLM", "MLMV", "GLS", "ULS", "WLS"))
  fits[[e]] <- keep(paste0("metric_", e), cfa(pair, data, estimator = e, group = "school", group.equal = "loadings"))
for (e in c("MLR", "GLS", "WLS")) keep(paste0("regression_", e), sem(regression, data, estimator = e))
keep("groups_ML", cfa(pair, data, group = "school"))
keep("holes_MLR", cfa(factors, holes, estimator = "MLR", missing = "ml"))
keep("holes_causes_MLR", sem(sub("x9", "sex", causes), holes, estimator = "MLR", missing = "ml"))
keep("holes_MLF", cfa(factors, holes, estimator = "MLF", missing = "ml"))
keep("clusters", sem(single, Demo.twolevel, cluster = "cluster"))
keep("clusters_school", cfa(factors, data, cluster = "agemo"))
keep("weights", cfa(factors, data, sampling.weights = "w"))
keep("weights_groups", cfa(pair, data, sampling.weights = "w", group = "school"))
keep("weights_holes", cfa(factors, holes, sampling.weights = "w", missing = "ml"))
keep("weights_clusters", cfa(factors, data, sampling.weights = "w", cluster = "agemo"))
keep("huber_white", cfa(factors, data, se = "robust.huber.white"))
keep("expected_bread", cfa(factors, data, estimator = "MLR", information = "expected"))
keep("wishart_MLM", cfa(factors, data, estimator = "MLM", likelihood = "wishart"))

differences <- list()
for (e in c("ML", "MLR", "MLM")) {
  configural <- cfa(pair, data, estimator = e, group = "school")
  strong <- cfa(pair, data, estimator = e, group = "school", group.equal = c("loadings", "intercepts"))
  methods <- if (e == "ML") "default" else c("satorra.bentler.2001", "satorra.bentler.2010")
  for (method in methods) {
    table <- lavTestLRT(configural, fits[[e]], strong, method = method)
    differences[[paste0(e, "_", method)]] <- as.data.frame(table)
  }
}
write_json(list(fits = values, differences = differences), "values.json", digits = 12, auto_unbox = TRUE, na = "null")
