# Rscript tests/reference/constraints/make.R
# What lavaan makes of every case in cases.json: estimates, standard errors, npar, df and the printed slacks.
# A bound on a term is a line of its own in cases.json; lavaan wants it where the term stands first.
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
here <- "tests/reference/constraints"
cases <- fromJSON(file.path(here, "cases.json"), simplifyVector = FALSE)
data <- read.csv("semgllamm/data/datasets/holzinger.csv")
terms <- c("visual =~ x2" = "a*x2", "visual =~ x3" = "b*x3", "textual =~ x5" = "c*x5", "textual =~ x6" = "d*x6",
           "visual ~~ textual" = "e*textual", "x1 ~~ x1" = "x1")

model <- function(text) {
    own <- terms
    lines <- strsplit(text, "\n")[[1]]
    bounded <- grepl("(lower|upper)\\(", lines)
    for (line in lines[bounded]) {
        key <- gsub("(lower|upper)\\([^)]*\\)\\*", "", line)
        bound <- regmatches(line, regexpr("(lower|upper)\\([^)]*\\)", line))
        own[key] <- paste0(bound, "*", sub("^.*[~ ]", "", key))  # lavaan 0.6 keeps one modifier of a term
    }
    paste(c(paste("visual =~ x1 +", own["visual =~ x2"], "+", own["visual =~ x3"]),
            paste("textual =~ x4 +", own["textual =~ x5"], "+", own["textual =~ x6"]),
            paste("visual ~~", own["visual ~~ textual"]), paste("x1 ~~", own["x1 ~~ x1"]), lines[!bounded]),
          collapse = "\n")
}

fitted <- function(case) {
    # lavaan 0.6 wants every term once
    fit <- cfa(sub("x1 ~~ x1\nx1 ~~ th\\*x1", "x1 ~~ th*x1", model(case$text)), data, meanstructure = TRUE,
               information = "observed",
               control = list(rel.tol = 1e-10, eval.max = 20000L, iter.max = 10000L))
    stopifnot(lavInspect(fit, "converged"))
    table <- subset(parameterEstimates(fit), !(op %in% c(":=", "==", "<", ">")) & !is.na(se) | label != "")
    table <- subset(table, !(op %in% c("==", "<", ">")) & !(op != ":=" & est == 1 & se %in% 0 & rhs %in% c("x1", "x4")))
    table <- subset(table, !(op == "~1" & lhs %in% c("visual", "textual")))
    key <- with(table, ifelse(op == ":=", lhs, paste0(lhs, op, rhs)))
    se <- ifelse(is.na(table$se), 0, table$se)  # of a parameter that constraints hold fast
    printed <- capture.output(summary(fit))
    first <- grep("^Constraints:", printed)
    printed <- if (length(first)) sub(" +$", "", printed[first:length(printed)]) else character(0)
    list(loglik = as.numeric(logLik(fit)), npar = as.numeric(fitMeasures(fit, "npar")),
         estimates = as.list(setNames(table$est, key)), se = as.list(setNames(se, key)),
         printed = printed[printed != ""])
}

results <- setNames(lapply(cases, fitted), sapply(cases, `[[`, "name"))
software <- paste("lavaan", packageVersion("lavaan"))
writeLines(toJSON(list(software = software, results = results), digits = 12, auto_unbox = TRUE, pretty = TRUE),
           file.path(here, "lavaan.json"))
