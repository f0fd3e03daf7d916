# Rscript tests/reference/holzinger/make.R
source("tests/reference/quadrature.R")
suppressPackageStartupMessages(library(lavaan))
data <- read.csv("semgllamm/data/datasets/holzinger.csv")
model <- paste(readLines("tests/reference/holzinger/model.sem"), collapse = "\n")
fit <- cfa(model, data, meanstructure = TRUE, information = "observed", estimator = "ML")
stopifnot(lavInspect(fit, "converged"), max(abs(lavInspect(fit, "gradient"))) < 1e-6)
table <- subset(parameterEstimates(fit), se > 0)
key <- with(table, paste0(lhs, op, rhs))

store("holzinger", "holzinger", "Holzinger & Swineford (1939)",
    results = list(
        lavaan = result(software("lavaan"), "laplace", as.numeric(logLik(fit)), setNames(table$est, key),
                        setNames(table$se, key), c(loglik = 1e-6, estimates = 1e-5, se = 1e-5),
                        "information = \"observed\", meanstructure = TRUE")))
