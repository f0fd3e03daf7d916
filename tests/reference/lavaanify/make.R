# Completes every model of cases.json with lavaan::lavaanify() and stores the tables in tables.json.
# Run in this folder:  Rscript make.R
#
# lavaanify() is handed the switches that lavaan's own fitting functions would hand it. Equal labels appear as equal
# numbers in the column `free` (ceq.simple); where lavaan cannot do that (other constraints are present) the rows
# ".p1. == .p2." that it adds for equal labels are read back into equal numbers here.
suppressMessages(library(lavaan))
library(jsonlite)

fitting_function <- list(
  sem    = list(int.ov.free = TRUE,  int.lv.free = FALSE, auto = TRUE),
  cfa    = list(int.ov.free = TRUE,  int.lv.free = FALSE, auto = TRUE),
  growth = list(int.ov.free = FALSE, int.lv.free = TRUE,  auto = TRUE, meanstructure = TRUE),
  lavaan = list(int.ov.free = FALSE, int.lv.free = FALSE, auto = FALSE)
)
automatic <- c("auto.fix.first", "auto.fix.single", "auto.var", "auto.cov.lv.x", "auto.cov.y", "auto.th", "auto.delta")

table_of <- function(case) {
  written <- as.list(case$switches)
  names(written) <- gsub("_", ".", as.character(names(written)))
  args <- fitting_function[[case$like]]
  args[automatic] <- args$auto
  args$auto <- NULL
  args$fixed.x <- TRUE
  if (isTRUE(written$std.lv)) args$auto.fix.first <- FALSE
  if (isTRUE(written$effect.coding)) written$effect.coding <- c("loadings", "intercepts")
  if ("loadings" %in% written$effect.coding) args$auto.fix.first <- FALSE
  if ("intercepts" %in% written$effect.coding) args$meanstructure <- TRUE
  args$ngroups <- if (is.null(case$n_groups)) 1L else case$n_groups
  if (args$ngroups > 1L) args$meanstructure <- TRUE
  text <- paste(case$model, collapse = "\n")
  # as lavaan() does: means with levels, with ordered variables and with intercepts or means in group.equal
  if (grepl("level *:", text) || !is.null(case$categories) || grepl("|", text, fixed = TRUE)) args$meanstructure <- TRUE
  if (!is.null(case$categories) || grepl("|", text, fixed = TRUE)) args$conditional.x <- TRUE
  if (!is.null(case$categories))
    args$varTable <- list(name = names(case$categories), type = rep("ordered", length(case$categories)),
                          nlev = unlist(case$categories), nobs = rep(100L, length(case$categories)))
  args[names(written)] <- written
  args$model <- text
  args$ceq.simple <- TRUE
  table <- suppressWarnings(do.call("lavaanify", args))
  same <- table$op == "==" & table$user == 2L & grepl("^\\.p[0-9]+\\.$", table$rhs)
  for (i in which(same)) {
    first <- match(table$lhs[i], table$plabel)
    second <- match(table$rhs[i], table$plabel)
    table$free[second] <- table$free[first]
  }
  table <- table[!same, ]
  numbers <- unique(table$free[table$free > 0])
  table$free <- match(table$free, numbers, nomatch = 0L)
  keep <- intersect(c("lhs", "op", "rhs", "user", "block", "group", "level", "free", "ustart", "exo", "label", "lower", "upper"), names(table))
  table[keep]
}

cases <- fromJSON("cases.json", simplifyDataFrame = FALSE)
tables <- lapply(cases, function(case) tryCatch(table_of(case), error = function(e) stop(case$name, ": ", conditionMessage(e))))
names(tables) <- vapply(cases, `[[`, "", "name")
json <- vapply(tables, function(table) {
  cells <- apply(vapply(table, function(column) vapply(column, function(cell) toJSON(cell, auto_unbox = TRUE, digits = NA, na = "null"), ""), character(nrow(table))), 1, paste, collapse = ", ")
  paste0('{"columns": ', toJSON(names(table)), ', "rows": [\n    ', paste0("[", cells, "]", collapse = ",\n    "), "]}")
}, "")
writeLines(c("{", paste0('"software": "lavaan ', packageVersion("lavaan"), ', ', R.version.string, '",'), '"tables": {',
             paste0('  "', names(tables), '": ', json, collapse = ",\n"), "}}"), "tables.json")
