# The models of the reference: what make.R fits, and the tests that it makes of the fits. Arguments are named as in the
# package (lavaan's with "_" for "."); `columns` are computed from the complete data, `holes` are where a column is
# missing: where `by` is at most its quantile (R's type 7, of the complete data).

cases <- list()
case <- function(name, model, data = "holzinger", fn = "cfa", args = list(), ...) {
  model <- gsub("^\n|\n *$", "", gsub("\n +", "\n", model))
  cases[[length(cases) + 1L]] <<- c(list(name = name, model = model, `function` = fn, args = args, data = data), list(...))
}
all_of <- function(...) list(...)

hs <- "
  visual =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9"
with_hs <- function(more) paste(hs, more, sep = "\n")

# ---- three factors of ability ---------------------------------------------------------------------------------------
case("hs_cfa", hs)
case("hs_meanstructure", hs, args = list(meanstructure = TRUE))
for (estimator in c("MLR", "MLM", "MLMV", "MLMVS", "MLF", "GLS", "ULS", "WLS", "DWLS"))
  case(paste0("hs_", tolower(estimator)), hs, args = list(estimator = estimator), thin = estimator %in% c("MLM", "MLMV", "MLMVS", "MLF"))
case("hs_satorra_bentler", hs, args = list(se = "robust.sem", test = "satorra.bentler"), thin = TRUE)
case("hs_wlsm", hs, args = list(estimator = "WLSM"), thin = TRUE)
case("hs_ulsm", hs, args = list(estimator = "ULSM"), thin = TRUE)
case("hs_mlr_means", hs, args = list(estimator = "MLR", meanstructure = TRUE), thin = TRUE)
case("hs_observed", hs, args = list(information = "observed"))
case("hs_first_order", hs, args = list(information = "first.order"), thin = TRUE)
case("hs_std_lv", hs, args = list(std_lv = TRUE))
case("hs_effect_coding", hs, args = list(effect_coding = TRUE))
case("hs_effect_coding_means", hs, args = list(effect_coding = TRUE, meanstructure = TRUE))
case("hs_effect_coding_groups", hs, args = list(effect_coding = TRUE, group = "school", group_equal = all_of("loadings", "intercepts")))
case("hs_orthogonal", hs, args = list(orthogonal = TRUE))
case("hs_orthogonal_std_lv", hs, args = list(orthogonal = TRUE, std_lv = TRUE), thin = TRUE)
case("hs_second_order", with_hs("ability =~ visual + textual + speed"))
case("hs_second_order_std_lv", with_hs("ability =~ visual + textual + speed"), args = list(std_lv = TRUE))
case("hs_one_factor", "ability =~ x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9")
case("hs_bifactor", "
  general =~ x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9
  speed =~ x7 + x8 + x9
  general ~~ 0*speed")
case("hs_residual_covariance", with_hs("x4 ~~ x7\nvisual =~ x9"))

# ---- holes ----------------------------------------------------------------------------------------------------------
holes <- list(list(column = "x5", by = "x1", at_most_quantile = 0.3), list(column = "x9", by = "ageyr", at_most_quantile = 0.3))
case("hs_holes_ml", hs, args = list(missing = "ml"), holes = holes)
case("hs_holes_mlr", hs, args = list(missing = "ml", estimator = "MLR"), holes = holes)
case("hs_holes_mlf", hs, args = list(missing = "ml", estimator = "MLF"), holes = holes, thin = TRUE)
case("hs_holes_expected", hs, args = list(missing = "ml", information = "expected"), holes = holes, thin = TRUE)
case("hs_holes_listwise", hs, args = list(missing = "listwise"), holes = holes)
case("hs_holes_groups_ml", hs, args = list(missing = "ml", group = "school", group_equal = all_of("loadings")), holes = holes)
case("hs_holes_mimic_ml", with_hs("visual + textual + speed ~ ageyr + sex"), fn = "sem", args = list(missing = "ml"), holes = holes)

# ---- moments as data ------------------------------------------------------------------------------------------------
nine <- as.list(paste0("x", 1:9))
case("hs_moments", hs, sample_cov = list(columns = nine))
case("hs_moments_wishart", hs, sample_cov = list(columns = nine), args = list(likelihood = "wishart"))
case("hs_moments_means", hs, sample_cov = list(columns = nine, means = TRUE), args = list(meanstructure = TRUE))
case("hs_wishart", hs, args = list(likelihood = "wishart"))

# ---- covariates -----------------------------------------------------------------------------------------------------
mimic <- with_hs("visual + textual + speed ~ ageyr + sex")
case("hs_mimic", mimic, fn = "sem")
case("hs_mimic_random_x", mimic, fn = "sem", args = list(fixed_x = FALSE))
case("hs_mimic_means", mimic, fn = "sem", args = list(meanstructure = TRUE), thin = TRUE)
case("hs_mimic_mlr", mimic, fn = "sem", args = list(estimator = "MLR"), thin = TRUE)
case("hs_mimic_direct_effect", paste(mimic, "x9 ~ ageyr", sep = "\n"), fn = "sem")
case("hs_mimic_groups", with_hs("visual + textual + speed ~ ageyr + sex"), fn = "sem",
     args = list(group = "school", group_equal = all_of("loadings", "intercepts", "regressions")))

# ---- two schools ----------------------------------------------------------------------------------------------------
invariance <- list(configural = list(), metric = all_of("loadings"), scalar = all_of("loadings", "intercepts"),
                   strict = all_of("loadings", "intercepts", "residuals"))
for (level in names(invariance)) for (estimator in c("ML", "MLM", "MLR")) {
  args <- list(group = "school")
  if (length(invariance[[level]])) args$group_equal <- invariance[[level]]
  if (estimator != "ML") args$estimator <- estimator
  case(paste0("hs_", level, if (estimator != "ML") paste0("_", tolower(estimator))), hs, args = args, thin = estimator != "ML")
}
case("hs_means_equal", hs, args = list(group = "school", group_equal = all_of("loadings", "intercepts", "means")), thin = TRUE)
case("hs_latent_equal", hs, args = list(group = "school", group_equal = all_of("loadings", "intercepts", "residuals", "lv.variances", "lv.covariances")), thin = TRUE)
case("hs_partial", hs, args = list(group = "school", group_equal = all_of("loadings", "intercepts"), group_partial = all_of("x3~1", "x7~1", "visual=~x2")))
case("hs_metric_std_lv", hs, args = list(group = "school", group_equal = all_of("loadings"), std_lv = TRUE), thin = TRUE)
case("hs_group_labels", "
  visual =~ x1 + c(a, a)*x2 + c(b1, b2)*x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  difference := b1 - b2", args = list(group = "school"))
case("hs_group_label_order", hs, args = list(group = "school", group_label = all_of("Grant-White", "Pasteur"), group_equal = all_of("loadings", "intercepts")), thin = TRUE)
case("hs_group_values", "
  visual =~ x1 + c(0.6, NA)*x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  visual ~~ c(0, NA)*speed", args = list(group = "school"), thin = TRUE)

# ---- constraints ----------------------------------------------------------------------------------------------------
case("hs_equal_labels", "
  visual =~ x1 + a*x2 + a*x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + b*x8 + b*x9")
case("hs_equality", "
  visual =~ x1 + a*x2 + b*x3
  textual =~ x4 + c2*x5 + x6
  speed =~ x7 + x8 + x9
  a + b == 1.2
  c2 == 1.1")
case("hs_equality_mlr", "
  visual =~ x1 + a*x2 + b*x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  a == b", args = list(estimator = "MLR"))
case("hs_tau_equivalent", "
  visual =~ x1 + 1*x2 + 1*x3
  textual =~ x4 + 1*x5 + 1*x6
  speed =~ x7 + 1*x8 + 1*x9")
case("hs_nonlinear", "
  visual =~ x1 + a*x2 + b*x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  a * b == 0.5")
case("hs_inequality_active", "
  visual =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  x8 ~~ e*x8
  e > 0.6")
case("hs_inequality_inactive", "
  visual =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  x8 ~~ e*x8
  e > 0.1")
case("hs_bound", "
  visual =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  x8 ~~ lower(0.1)*x8")
case("hs_bound_active", "
  visual =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  x8 ~~ lower(0.6)*x8")
case("hs_defined", "
  visual =~ x1 + a*x2 + b*x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  visual ~~ v*visual
  x2 ~~ e*x2
  ratio := a / b
  share := a^2 * v / (a^2 * v + e)
  log_share := log(share)")

# ---- weights and clusters -------------------------------------------------------------------------------------------
case("hs_weights", hs, columns = list(w = "0.5 + (ageyr - 10) / 4 + sex / 8"), args = list(sampling_weights = "w"))
case("hs_weights_means", hs, columns = list(w = "0.5 + (ageyr - 10) / 4 + sex / 8"), args = list(sampling_weights = "w", meanstructure = TRUE), thin = TRUE)
case("hs_weights_holes", hs, columns = list(w = "0.5 + (ageyr - 10) / 4 + sex / 8"), args = list(sampling_weights = "w", missing = "ml"), holes = holes)
case("hs_clusters", hs, columns = list(month = "ageyr * 12 + agemo"), args = list(cluster = "month"))
case("hs_clusters_holes", hs, columns = list(month = "ageyr * 12 + agemo"), args = list(cluster = "month", missing = "ml"), holes = holes, thin = TRUE)

# ---- odd models -----------------------------------------------------------------------------------------------------
case("hs_heywood", "
  f =~ x7 + x4 + x3
  g =~ x5 + x2")
case("hs_saturated", "visual =~ x1 + x2 + x3")
case("hs_saturated_regression", "
  x1 ~ x4 + x7
  x2 ~ x4 + x7
  x1 ~~ x2", fn = "sem", args = list(meanstructure = TRUE))
case("hs_independence", "
  x1 ~~ x1
  x2 ~~ x2
  x3 ~~ x3")
# from zero, the effects of a variable without indicators would stay there
case("hs_phantom", "
  visual =~ x1 + x2 + x3
  speed =~ x7 + x8 + x9
  common =~ 0
  common ~~ 1*common
  visual ~ b*common + start(0.5)*common
  speed ~ b*common + start(0.5)*common
  visual ~~ 0*speed", fn = "sem")
case("hs_composite", "
  score <~ 1*x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed =~ x7 + x8 + x9
  textual + speed ~ score", fn = "sem")
case("hs_single_indicator", "
  visual =~ x1
  textual =~ x4 + x5 + x6
  textual ~ visual", fn = "sem")
case("hs_lavaan_explicit", "
  visual =~ NA*x1 + x2 + x3
  textual =~ 1*x4 + x5 + x6
  visual ~~ 1*visual
  textual ~~ textual
  visual ~~ textual
  x1 ~~ x1
  x2 ~~ x2
  x3 ~~ x3
  x4 ~~ x4
  x5 ~~ x5
  x6 ~~ x6
  x1 + x2 + x3 + x4 + x5 + x6 ~ 1", fn = "lavaan")

# ---- paths between observed variables -------------------------------------------------------------------------------
mediation <- "
  x7 ~ a*x1
  x9 ~ b*x7 + c1*x1
  indirect := a * b
  total := c1 + a * b"
case("path_mediation", mediation, fn = "sem")
case("path_mediation_means", mediation, fn = "sem", args = list(meanstructure = TRUE, fixed_x = FALSE))
case("path_mediation_mlr", mediation, fn = "sem", args = list(estimator = "MLR"), thin = TRUE)
case("path_groups", "
  x7 ~ c(a1, a2)*x1
  x9 ~ c(b1, b2)*x7 + x1
  difference := a1 * b1 - a2 * b2", fn = "sem", args = list(group = "school"))
case("path_multivariate", "x7 + x8 + x9 ~ x1 + x4 + ageyr", fn = "sem")
case("path_single_regression", "x9 ~ x1 + x4 + ageyr", fn = "sem", args = list(meanstructure = TRUE))
case("path_non_recursive", "
  x9 ~ x5 + x7 + x8
  x5 ~ x9 + x4 + x6
  x5 ~~ x9", fn = "sem")
# the likelihood is flat in the effect of y5: its standard error is seven times its size
case("path_non_recursive_flat", "
  y1 ~ y5 + x1
  y5 ~ y1 + x2 + x3
  y1 ~~ y5", data = "political_democracy", fn = "sem")

# ---- industrialisation and democracy --------------------------------------------------------------------------------
democracy <- "
  ind60 =~ x1 + x2 + x3
  dem60 =~ y1 + y2 + y3 + y4
  dem65 =~ y5 + y6 + y7 + y8
  dem60 ~ ind60
  dem65 ~ ind60 + dem60
  y1 ~~ y5
  y2 ~~ y4 + y6
  y3 ~~ y7
  y4 ~~ y8
  y6 ~~ y8"
equal <- "
  ind60 =~ x1 + x2 + x3
  dem60 =~ y1 + a*y2 + b*y3 + c1*y4
  dem65 =~ y5 + a*y6 + b*y7 + c1*y8
  dem60 ~ p*ind60
  dem65 ~ q*ind60 + r*dem60
  y1 ~~ y5
  y2 ~~ y4 + y6
  y3 ~~ y7
  y4 ~~ y8
  y6 ~~ y8
  indirect := p * r
  total := q + p * r"
for (estimator in c("ML", "MLR", "MLM", "GLS", "ULS"))
  case(paste0("democracy", if (estimator != "ML") paste0("_", tolower(estimator))), democracy, "political_democracy", "sem",
       if (estimator != "ML") list(estimator = estimator) else list(), thin = estimator %in% c("MLR", "MLM"))
case("democracy_means", democracy, "political_democracy", "sem", list(meanstructure = TRUE))
case("democracy_observed", democracy, "political_democracy", "sem", list(information = "observed"), thin = TRUE)
case("democracy_equal_loadings", equal, "political_democracy", "sem")
case("democracy_constraints", paste(equal, "p == 1.5 * r", sep = "\n"), "political_democracy", "sem")
case("democracy_std_lv", democracy, "political_democracy", "sem", list(std_lv = TRUE))

# ---- growth ---------------------------------------------------------------------------------------------------------
linear <- "
  i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4
  s =~ 0*t1 + 1*t2 + 2*t3 + 3*t4"
case("growth_linear", linear, "demo_growth", "growth")
case("growth_linear_mlr", linear, "demo_growth", "growth", list(estimator = "MLR"), thin = TRUE)
case("growth_equal_residuals", paste(linear, "t1 ~~ e*t1\nt2 ~~ e*t2\nt3 ~~ e*t3\nt4 ~~ e*t4", sep = "\n"), "demo_growth", "growth")
case("growth_covariates", paste(linear, "i ~ x1 + x2\ns ~ x1 + x2", sep = "\n"), "demo_growth", "growth")
case("growth_time_varying", paste(linear, "i ~ x1 + x2\ns ~ x1 + x2\nt1 ~ c1\nt2 ~ c2\nt3 ~ c3\nt4 ~ c4", sep = "\n"), "demo_growth", "growth")
case("growth_latent_basis", "
  i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4
  s =~ 0*t1 + t2 + t3 + 1*t4", "demo_growth", "growth")
growth_holes <- list(list(column = "t4", by = "t1", at_most_quantile = 0.25), list(column = "t3", by = "x1", at_most_quantile = 0.2))
case("growth_holes_ml", paste(linear, "i ~ x1 + x2\ns ~ x1 + x2", sep = "\n"), "demo_growth", "growth", list(missing = "ml"), holes = growth_holes)

# ---- two levels -----------------------------------------------------------------------------------------------------
two <- function(name, model, args = list(), ...) case(name, model, "demo_twolevel", "sem", c(list(cluster = "cluster"), args), ...)
two("twolevel_covariates", "
  level: 1
  fw =~ y1 + y2 + y3
  fw ~ x1 + x2 + x3
  level: 2
  fb =~ y1 + y2 + y3
  fb ~ w1 + w2")
two("twolevel_cfa", "
  level: 1
  fw =~ y1 + y2 + y3 + y4
  level: 2
  fb =~ y1 + y2 + y3 + y4")
two("twolevel_cfa_mlr", "
  level: 1
  fw =~ y1 + y2 + y3 + y4
  level: 2
  fb =~ y1 + y2 + y3 + y4", list(estimator = "MLR"), thin = TRUE)
# covariates of rows in deviations from their means: see differences of MLR in README.md
two("twolevel_covariates_mlr", "
  level: 1
  fw =~ y1 + y2 + y3
  fw ~ u1 + u2 + u3
  level: 2
  fb =~ y1 + y2 + y3
  fb ~ w1 + w2", list(estimator = "MLR"), thin = TRUE,
  columns = list(u1 = "x1 + 0.00744548534297811", u2 = "x2 + 0.00289090947238958", u3 = "x3 - 0.0200076228563417"))
two("twolevel_two_factors", "
  level: within
  f1 =~ y1 + y2 + y3
  f2 =~ y4 + y5 + y6
  level: between
  g1 =~ y1 + y2 + y3
  g2 =~ y4 + y5 + y6")
two("twolevel_equal_loadings", "
  level: 1
  fw =~ y1 + a*y2 + b*y3
  level: 2
  fb =~ y1 + a*y2 + b*y3
  fb ~~ vb*fb
  y1 ~~ y1")
two("twolevel_intraclass", "
  level: 1
  fw =~ y1 + a*y2 + b*y3
  fw ~~ vw*fw
  level: 2
  fb =~ y1 + a*y2 + b*y3
  fb ~~ vb*fb
  icc := vb / (vw + vb)")
two("twolevel_saturated_between", "
  level: 1
  fw =~ y1 + y2 + y3 + y4
  level: 2
  y1 ~~ y1 + y2 + y3 + y4
  y2 ~~ y2 + y3 + y4
  y3 ~~ y3 + y4
  y4 ~~ y4")
two("twolevel_paths", "
  level: 1
  y1 ~ x1 + x2
  level: 2
  y1 ~ w1 + w2")
two_holes <- list(list(column = "y2", by = "x1", at_most_quantile = 0.3), list(column = "y3", by = "x2", at_most_quantile = 0.2))
two("twolevel_holes_ml", "
  level: 1
  fw =~ y1 + y2 + y3
  fw ~ x1 + x2
  level: 2
  fb =~ y1 + y2 + y3
  fb ~ w1", list(missing = "ml"), holes = two_holes)

# ---- facial burns ---------------------------------------------------------------------------------------------------
case("burns_regression", "
  HADS ~ Age + TBSA + RUM
  Selfesteem ~ HADS + Age + TBSA", "facial_burns", "sem")
case("burns_regression_groups", "
  HADS ~ Age + RUM
  Selfesteem ~ HADS + Age", "facial_burns", "sem", list(group = "Sex"))
case("burns_regression_groups_equal", "
  HADS ~ Age + RUM
  Selfesteem ~ HADS + Age", "facial_burns", "sem", list(group = "Sex", group_equal = all_of("regressions")))
case("burns_one_factor", "
  distress =~ HADS + Selfesteem + RUM
  distress ~ Age + TBSA", "facial_burns", "sem")

# ---- tests of fits --------------------------------------------------------------------------------------------------
comparisons <- list()
for (estimator in c("", "_mlm", "_mlr")) for (method in if (estimator == "") "standard" else c("satorra.bentler.2001", "satorra.bentler.2010"))
  comparisons[[length(comparisons) + 1L]] <- list(
    name = paste0("invariance", estimator, if (estimator != "") paste0("_", method)),
    fits = paste0("hs_", names(invariance), estimator), method = if (estimator == "") "default" else method)
comparisons <- c(comparisons, list(
  list(name = "democracy_loadings", fits = c("democracy", "democracy_equal_loadings"), method = "default"),
  list(name = "growth_residuals", fits = c("growth_linear", "growth_equal_residuals"), method = "default"),
  list(name = "growth_basis", fits = c("growth_latent_basis", "growth_linear"), method = "default"),
  list(name = "orthogonal", fits = c("hs_cfa", "hs_orthogonal"), method = "default")))

walds <- list(
  list(name = "equal_regressions", fit = "democracy_equal_loadings", constraints = "p == r"),
  list(name = "two_at_once", fit = "democracy_equal_loadings", constraints = "p == 1\nq == 0.5 * r"),
  list(name = "nonlinear", fit = "path_mediation", constraints = "a * b == 0"),
  list(name = "robust", fit = "path_mediation_mlr", constraints = "a == b"),
  list(name = "across_groups", fit = "path_groups", constraints = "a1 == a2\nb1 == b2"))

scores <- list(
  list(name = "release_loadings", fit = "hs_metric"),
  list(name = "release_first_two", fit = "hs_metric", release = 1:2),
  list(name = "release_scalar", fit = "hs_scalar"),
  list(name = "add_cross_loadings", fit = "hs_cfa", add = "visual =~ x9\nspeed =~ x3"),
  list(name = "add_residual_covariance", fit = "hs_cfa", add = "x7 ~~ x8"),
  list(name = "add_direct_effect", fit = "hs_mimic", add = "x9 ~ ageyr\nx3 ~ sex"))
