# Nominal responses by nnet's multinom; choices and rankings in long form by survival's clogit and coxph, whose partial
# likelihood of a stratum is that of a ranking: the ranks are times, alternatives without a rank are censored behind them.
# Rscript make.R (in this folder) writes wide.csv, long.csv and values.json; ../test_choice_references.py fits the models.
suppressMessages({library(nnet); library(survival); library(jsonlite)})

set.seed(31)
n <- 300
d <- data.frame(x = round(rnorm(n), 4), z = sample(c("p", "q", "r"), n, TRUE))
utility <- cbind(0, 0.4 + 0.7 * d$x, -0.3 - 0.5 * d$x + 0.6 * (d$z == "q")) - log(-log(matrix(runif(3 * n), n)))
d$mode <- c("bus", "car", "train")[max.col(utility)]
write.csv(d, "wide.csv", row.names = FALSE)

alternatives <- c("a", "b", "c", "d", "e")
long <- do.call(rbind, lapply(1:150, function(id) {
  offered <- sort(sample(5, sample(2:5, 1)))
  data.frame(id = id, alt = alternatives[offered], cost = round(rnorm(length(offered)), 4), income = round(runif(1, -1, 1), 4))
}))
constants <- c(a = 0, b = 0.5, c = -0.4, d = 0.2, e = 0)
long$utility <- constants[long$alt] - 0.8 * long$cost + 0.6 * (long$alt == "c") * long$income - log(-log(runif(nrow(long))))
long$rank <- ave(-long$utility, long$id, FUN = rank)
long$choice <- as.numeric(long$rank == 1)
long$top <- ifelse(long$rank <= 1 + long$id %% 3, long$rank, NA)
long$utility <- NULL
write.csv(long, "long.csv", row.names = FALSE, na = "")

values <- list()
keep <- function(name, data, text, package, loglik, estimates, se, tolerance) {
  values[[name]] <<- list(data = data, text = text, loglik = as.numeric(loglik), estimates = as.list(estimates),
                          se = as.list(se), tolerance = tolerance,
                          software = c(R.version.string, paste(package, packageVersion(package))))
}

d$mode <- factor(d$mode)
for (reference in levels(d$mode)) {
  m <- multinom(relevel(mode, reference) ~ x + z, d, trace = FALSE, abstol = 0, reltol = 1e-16, maxit = 10000)
  b <- coef(m)
  names <- outer(rownames(b), c("~1", "~x", "~z[q]", "~z[r]"), function(k, term) paste0("mode[", k, "]", term))
  keep(paste("multinom against", reference), "wide.csv",
       paste0("mode ~ x + z  @family(multinomial(logit, reference=", reference, "))"), "nnet", logLik(m),
       setNames(c(b), names), setNames(c(summary(m)$standard.errors), names), 1e-5)
}

exact <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 100)
for (k in alternatives[-1]) {
  long[[paste0("alt", k)]] <- as.numeric(long$alt == k)
  long[[paste0("income", k)]] <- long[[paste0("alt", k)]] * long$income
}
terms <- c("cost", paste0("alt", alternatives[-1]), paste0("income", alternatives[-1]))
written <- c("cost", paste0("alt[", alternatives[-1], "]"), paste0("alt[", alternatives[-1], "]:income"))
formula <- function(left) as.formula(paste(left, "~", paste(terms, collapse = " + "), "+ strata(id)"))
for (y in c("choice", "rank", "top")) {
  last <- max(long$rank) + 1
  long$time <- if (y == "choice") 2 - long$choice else ifelse(is.na(long[[y]]), last, long[[y]])
  long$status <- if (y == "choice") long$choice else as.numeric(!is.na(long[[y]]))
  m <- coxph(formula("Surv(time, status)"), long, control = exact, ties = "breslow")
  if (y == "choice") {
    again <- clogit(formula("choice"), long, control = exact)
    stopifnot(all.equal(coef(m), coef(again), tolerance = 1e-10), abs(logLik(m) - logLik(again)) < 1e-9)
  }
  family <- if (y == "choice") "" else "  @family(ranking)"
  names <- paste0(y, "~", written)
  keep(y, "long.csv", paste0(y, " ~ cost + alt + alt:income", family, "\n@alternatives(", y, ", case=id, alternative=alt)"),
       "survival", logLik(m), setNames(coef(m), names), setNames(sqrt(diag(vcov(m))), names), 1e-7)
}
write_json(values, "values.json", auto_unbox = TRUE, digits = NA, pretty = 2)
