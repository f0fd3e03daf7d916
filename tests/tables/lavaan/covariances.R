# Residual covariances, long names and labels, large numbers, fixed values. lavaan 0.6-14, R 4.2
library(lavaan)
data <- HolzingerSwineford1939
data$anotherLongVr <- data$x5
data$x7 <- 100 * data$x7
model <- "visual =~ x1 + longlabel*x2 + b*x3
          g =~ x4 + x6
          g ~ 0.3*visual
          x7 ~ g + ageyr
          anotherLongVr ~ b*x4 + longlabel2*agemo
          x8 ~ g
          x9 ~ 1
          x1 ~~ longcov*x2
          x1 ~~ 0.5*anotherLongVr
          x7 ~~ x8"
fit <- sem(model, data, meanstructure = TRUE)
table <- parameterEstimates(fit)
rows <- parTable(fit)
key <- function(t) paste(t$lhs, t$op, t$rhs, t$level)
table$free <- rows$free[match(key(table), key(rows))] > 0
table$exo <- rows$exo[match(key(table), key(rows))] > 0
write.csv(table, "covariances.csv", row.names = FALSE, na = "", quote = FALSE)
sink("covariances.txt")
summary(fit)
