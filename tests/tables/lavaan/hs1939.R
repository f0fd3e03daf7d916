# Holzinger & Swineford (1939), three factors: the estimates and the printed summary that tests/tables compares with.
# lavaan 0.6-14, R 4.2
library(lavaan)
model <- "visual  =~ x1 + x2 + x3
          textual =~ x4 + x5 + x6
          speed   =~ x7 + x8 + x9"
fit <- cfa(model, HolzingerSwineford1939, meanstructure = TRUE, information = "observed")
table <- parameterEstimates(fit)
rows <- parTable(fit)
key <- function(t) paste(t$lhs, t$op, t$rhs, t$level)
table$free <- rows$free[match(key(table), key(rows))] > 0
table$exo <- rows$exo[match(key(table), key(rows))] > 0
write.csv(table, "hs1939.csv", row.names = FALSE, na = "", quote = FALSE)
sink("hs1939.txt")
summary(fit, ci = TRUE)
