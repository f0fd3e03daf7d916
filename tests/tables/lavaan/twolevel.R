# Two levels, a label shared by both, a defined parameter. lavaan 0.6-14, R 4.2
library(lavaan)
model <- "level: 1
            fw =~ y1 + a*y2 + y3
            fw ~ x1 + x2 + x3
          level: 2
            fb =~ y1 + a*y2 + y3
            fb ~ w1 + w2
          aVeryLongNameIndeed := a + 1"
fit <- sem(model, Demo.twolevel, cluster = "cluster")
table <- parameterEstimates(fit)
rows <- parTable(fit)
key <- function(t) paste(t$lhs, t$op, t$rhs, t$level)
table$free <- rows$free[match(key(table), key(rows))] > 0
table$exo <- rows$exo[match(key(table), key(rows))] > 0
write.csv(table, "twolevel.csv", row.names = FALSE, na = "", quote = FALSE)
sink("twolevel.txt")
summary(fit)
