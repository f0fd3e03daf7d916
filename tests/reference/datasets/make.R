# Writes the data sets that the package embeds, from those of R's packages. Run from the root of the repository:
#     Rscript tests/reference/datasets/make.R
suppressPackageStartupMessages({library(psych); library(lavaan); library(lme4); library(mlmRev); library(MASS)})

folder <- "semgllamm/data/datasets"
write <- function(data, name, gzip = FALSE) {
    path <- file.path(folder, paste0(name, if (gzip) ".csv.gz" else ".csv"))
    connection <- if (gzip) gzfile(path, "wb") else file(path, "wb")
    on.exit(close(connection))
    write.csv(data, connection, row.names = FALSE, quote = FALSE, na = "")
}

# LSAT section 6: the table of answer patterns, a row a person
data(bock)
lsat6 <- bock.table[rep(seq_len(nrow(bock.table)), bock.table$Ob6), c("Q1", "Q2", "Q3", "Q4", "Q5")]
names(lsat6) <- paste0("y", 1:5)
stopifnot(nrow(lsat6) == 1000)
write(cbind(person = seq_len(1000), lsat6), "lsat6")

write(HolzingerSwineford1939, "holzinger")
write(PoliticalDemocracy, "political_democracy")
write(Demo.growth, "demo_growth")
write(Demo.twolevel, "demo_twolevel", gzip = TRUE)
write(FacialBurns, "facial_burns")
write(sleepstudy, "sleepstudy")
write(cbpp, "cbpp")

# epilepsy: the log covariates uncentred as well, and visits coded as by Breslow and Clayton
lbase4 <- log(epil$base / 4)
treat <- as.integer(epil$trt == "progabide")
write(data.frame(
    subject = epil$subject, period = epil$period, y = epil$y, trt = treat, base = epil$base, age = epil$age, V4 = epil$V4,
    lbase = epil$lbase, lage = epil$lage, lbase4 = lbase4, lbase4_trt = lbase4 * treat,
    visit = (2 * epil$period - 5) / 10
), "epil")

# Guatemala: factors as the indicators of the published model, omitted categories: first child, Ladino, no schooling
yes <- function(x) as.integer(x == "Y")
write(with(guImmun, data.frame(
    kid = kid, mom = mom, comm = comm, immun = yes(immun),
    kid2p = yes(kid2p), mom25p = yes(mom25p),
    ord23 = as.integer(ord == "23"), ord46 = as.integer(ord == "46"), ord7p = as.integer(ord == "7p"),
    indNoSpa = as.integer(ethn == "N"), indSpa = as.integer(ethn == "S"),
    momEdPri = as.integer(momEd == "P"), momEdSec = as.integer(momEd == "S"),
    husEdPri = as.integer(husEd == "P"), husEdSec = as.integer(husEd == "S"), husEdDK = as.integer(husEd == "U"),
    momWork = yes(momWork), rural = yes(rural), pcInd81 = pcInd81
)), "guatemala", gzip = TRUE)
