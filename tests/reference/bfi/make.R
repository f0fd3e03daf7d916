# Rscript tests/reference/bfi/make.R: the first ten items of psych's bfi
data(bfi, package = "psych")
write.csv(bfi[paste0(rep(c("A", "C"), each = 5), 1:5)], "tests/reference/bfi/data.csv", row.names = FALSE, na = "",
          quote = FALSE)
