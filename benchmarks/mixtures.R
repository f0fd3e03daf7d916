# Latent classes by flexmix (Grün & Leisch 2008): Rscript mixtures.R DATA CLASSES STARTS COVARIATE
arguments <- commandArgs(trailingOnly = TRUE)
suppressMessages(library(flexmix))
data <- read.csv(arguments[1])
classes <- as.integer(arguments[2])
items <- as.matrix(data[grep("^u", names(data))])
set.seed(1)
membership <- if (arguments[4] == "TRUE") FLXPmultinom(~x) else FLXPconstant()
control <- list(tolerance = 1e-10, iter.max = 2000, minprior = 0)
used <- system.time(
  found <- stepFlexmix(items ~ 1, k = classes, nrep = as.integer(arguments[3]), data = data, verbose = FALSE,
                       model = FLXMCmvbinary(), concomitant = membership, control = control)
)
cat(jsonlite::toJSON(list(seconds = used[["elapsed"]], busy = used[["user.self"]] + used[["sys.self"]],
                          loglik = as.numeric(logLik(found))), auto_unbox = TRUE, digits = 10))
