# Discrete-time hazards by glm(cloglog), on person-periods that this script makes by its own loop, one row at a time.
# Rscript make.R (in this folder) writes data.csv and values.json; ../test_discrete_time.py fits the models.
library(jsonlite)
set.seed(12)
n <- 200
d <- data.frame(id = 1:n, x = round(rnorm(n), 4))
t <- rweibull(n, 1.3, 4 * exp(-0.5 * d$x))
leave <- runif(n, 1, 9)
d$time <- round(pmin(t, leave), 3)
d$died <- as.numeric(t <= leave)
d$entry <- round(ifelse(runif(n) < 0.3, d$time * runif(n), 0), 3)
ends <- c(1, 2, 3.5, 5, 8)
d$month <- pmin(findInterval(d$time, ends, left.open = TRUE) + 1, 5)
d <- read.csv(text = capture.output(write.csv(d, row.names = FALSE)))
write.csv(d, "data.csv", row.names = FALSE)

expand <- function(d, time, ends, entry) {
  rows <- list()
  for (i in seq_len(nrow(d))) for (k in seq_along(ends)) {
    from <- if (k == 1) 0 else ends[k - 1]
    if (entry[i] > from || time[i] <= from) next  # not there at its beginning
    happens <- d$died[i] == 1 && time[i] <= ends[k]
    if (!happens && time[i] < ends[k]) next  # left within it
    rows[[length(rows) + 1]] <- data.frame(x = d$x[i], period = ends[k], y = as.numeric(happens))
  }
  do.call(rbind, rows)
}
values <- list(software = R.version.string)
keep <- function(name, rows) {
  m <- glm(y ~ 0 + factor(period) + x, binomial("cloglog"), rows, control = glm.control(epsilon = 1e-15, maxit = 100))
  values[[name]] <<- list(rows = nrow(rows), events = sum(rows$y), loglik = as.numeric(logLik(m)),
                          coefficients = unname(coef(m)), periods = sort(unique(rows$period)))
}
keep("intervals", expand(d, d$time, ends, 0 * d$time))
keep("entries", expand(d, d$time, ends, d$entry))
keep("whole", expand(d, d$month, 1:5, 0 * d$time))
write(toJSON(values, auto_unbox = TRUE, digits = 14, pretty = TRUE), "values.json")
