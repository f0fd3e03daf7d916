# Latent classes by flexmix (Grün & Leisch 2008) and OpenMx (Neale et al. 2016), from one start:
#   Rscript mixtures.R PACKAGE DATA CLASSES COVARIATE
arguments <- commandArgs(trailingOnly = TRUE)
data <- read.csv(arguments[2])
classes <- as.integer(arguments[3])
names <- grep("^u", names(data), value = TRUE)
set.seed(1)

by_flexmix <- function() {
  items <- as.matrix(data[names])
  membership <- if (arguments[4] == "TRUE") FLXPmultinom(~x) else FLXPconstant()
  control <- list(tolerance = 1e-10, iter.max = 2000, minprior = 0)
  found <- flexmix(items ~ 1, k = classes, data = data, model = FLXMCmvbinary(), concomitant = membership,
                   control = control)
  as.numeric(logLik(found))
}

# items are signs of independent standard normal variables, cut at thresholds of the class
by_openmx <- function() {
  mxOption(NULL, "Number of Threads", 1)
  for (item in names) data[[item]] <- mxFactor(data[[item]], levels = 0:1)
  n <- length(names)
  one <- function(k) {
    start <- rnorm(n, 0, 0.2) + seq(-0.3, 0.3, length.out = classes)[k]
    mxModel(paste0("class", k), mxMatrix("Iden", n, n, name = "R"), mxMatrix("Zero", 1, n, name = "M"),
            mxMatrix("Full", 1, n, free = TRUE, values = start, name = "T", dimnames = list("t", names)),
            mxExpectationNormal("R", "M", dimnames = names, thresholds = "T", threshnames = names),
            mxFitFunctionML(vector = TRUE))
  }
  shares <- mxMatrix("Full", classes, 1, free = c(rep(TRUE, classes - 1), FALSE), lbound = 1e-4,
                     values = seq(1.2, 1, length.out = classes), name = "weights")
  model <- do.call(mxModel, c(list("mixture", shares, mxExpectationMixture(paste0("class", 1:classes), scale = "sum"),
                                   mxFitFunctionML(), mxData(data, "raw")), lapply(1:classes, one)))
  -mxRun(model, silent = TRUE)$output$fit / 2
}

suppressMessages(library(arguments[1], character.only = TRUE))
used <- system.time(loglik <- if (arguments[1] == "flexmix") by_flexmix() else by_openmx())
cat(jsonlite::toJSON(list(busy = used[["user.self"]] + used[["sys.self"]], loglik = loglik), auto_unbox = TRUE,
                     digits = 10))
