# The peers' side of the benchmark: one model by one package in one process.
#
#   Rscript benchmarks/peers.R MODEL PACKAGE METHOD DATA.csv SECONDS
#
# fits once to warm up, then again and again for SECONDS (at least three times), and writes one JSON object: the times
# by the wall's clock and by the processor's, the log-likelihood and the estimates under semgllamm's names (variances, not
# standard deviations).

arguments <- commandArgs(trailingOnly = TRUE)
model <- arguments[1]; package <- arguments[2]; method <- arguments[3]
budget <- as.numeric(arguments[5])

report <- function(...) cat(jsonlite::toJSON(list(...), auto_unbox = TRUE, digits = I(15), na = "string"), "\n")

for (needed in c("jsonlite", package))
    if (!requireNamespace(needed, quietly = TRUE)) {
        cat(sprintf('{"missing": "R package %s"}\n', needed))
        quit(status = 0)
    }
suppressPackageStartupMessages(library(package, character.only = TRUE))

data <- read.csv(arguments[4])

# ---- the models: formula, family, data as the peers want them, points where there are some ---------------------------

items_as_rows <- function(data) {
    items <- grep("^y", names(data), value = TRUE)
    long <- stats::reshape(data, items, "y", "item", times = items, direction = "long", idvar = "person")
    long$item <- factor(long$item)
    long$person <- factor(long$person)
    long
}

mixed <- list(
    lsat6_1pl = list(y ~ 0 + item + (1 | person), binomial, prepare = items_as_rows),
    lsat6_2pl = list(y ~ 0 + item + rr(0 + item | person, d = 1), binomial, prepare = items_as_rows),
    sleepstudy = list(Reaction ~ Days + (Days | Subject), gaussian),
    cbpp = list(cbind(incidence, size - incidence) ~ period + (1 | herd), binomial,
                prepare = function(data) transform(data, period = factor(period))),
    epil = list(y ~ lbase + trt + lbase:trt + lage + V4 + (1 | subject), poisson),
    epil_slope = list(y ~ lbase + trt + lbase:trt + lage + visit + (1 + visit | subject), poisson),
    guatemala = list(immun ~ kid2p + mom25p + ord23 + ord46 + ord7p + indNoSpa + indSpa + momEdPri + momEdSec +
                         husEdPri + husEdSec + husEdDK + momWork + rural + pcInd81 + (1 | comm / mom), binomial),
    clusters = list(y ~ x + (1 | cluster), binomial),
    wine = list(factor(rating) ~ temp + contact + (1 | judge), "logit"),
    soup = list(factor(sure) ~ test + (1 | resp), "probit"),
    graded = list(factor(o) ~ x + z + (1 | id), "logit"),
    binomial = list(cbind(b, 5 - b) ~ x + z + (1 | id), binomial),
    nbinom2 = list(nb2 ~ x + z + (1 | id), "nbinom2"),
    nbinom2_slope = list(nb3 ~ x + z + (1 + x | id), "nbinom2"),
    nbinom1 = list(nb1 ~ x + z + (1 | id), "nbinom1"),
    beta = list(be ~ x + z + (1 | id), "beta_family"),
    gamma = list(ga ~ x + z + (1 | id), Gamma("log")),
    zipoisson = list(zi ~ x + z + (1 | id), poisson, zeros = ~z),
    poisson = list(po ~ x + z + (1 | id), poisson)
)

lavaan_models <- list(
    holzinger = "visual =~ x1 + x2 + x3 \n textual =~ x4 + x5 + x6 \n speed =~ x7 + x8 + x9",
    sleepstudy = paste(
        "intercept =~ ", paste0("1*Reaction.", 0:9, collapse = " + "), "\n slope =~ ",
        paste0(0:9, "*Reaction.", 0:9, collapse = " + "), "\n",
        paste0("Reaction.", 0:9, " ~~ s*Reaction.", 0:9, collapse = "\n")),
    lsat6_2pl = "theta =~ NA*y1 + y2 + y3 + y4 + y5 \n theta ~~ 1*theta"
)

points <- list(lsat6_1pl = 25, cbpp = 25, epil = 25, clusters = 11, wine = 15, soup = 15, graded = 15, poisson = 25)

# ---- estimates under one set of names --------------------------------------------------------------------------------

latent_name <- function(cluster, term) {
    paste0(sub(":.*", "", cluster), ".", ifelse(term == "(Intercept)", "intercept", term))
}

of_mixed <- function(fit, model) {
    fixed <- if (package == "glmmTMB") fixef(fit)$cond else fixef(fit)
    blocks <- if (package == "glmmTMB") VarCorr(fit)$cond else VarCorr(fit)
    response <- all.vars(formula(fit))[1]
    if (startsWith(model, "lsat6")) {
        Psi <- blocks[[1]]
        out <- setNames(fixed, paste0(sub("item", "", names(fixed)), "~1"))
        # the loadings: the standard deviations of a reduced-rank block, or the one of the intercept
        loading <- unname(sqrt(diag(as.matrix(Psi))))
        return(as.list(c(out, if (length(loading) == 1) c(a = loading)
                              else setNames(loading, paste0("theta=~", sub("item", "", rownames(Psi)))))))
    }
    names(fixed) <- paste0(response, "~", sub("\\(Intercept\\)", "1", sub("^period", "period[", names(fixed))))
    names(fixed) <- sub("(\\[.*)", "\\1]", names(fixed))
    out <- sub("~~1$", "~1", names(fixed))
    fixed <- setNames(fixed, out)
    for (cluster in names(blocks)) {
        Psi <- as.matrix(blocks[[cluster]])
        for (a in seq_len(nrow(Psi))) for (b in a:nrow(Psi)) {
            key <- paste0(latent_name(cluster, rownames(Psi)[a]), "~~", latent_name(cluster, rownames(Psi)[b]))
            fixed[key] <- Psi[a, b]
        }
    }
    if (model == "sleepstudy") fixed[paste0(response, "~~", response)] <- sigma(fit)^2
    as.list(fixed)
}

# ---- one fit ---------------------------------------------------------------------------------------------------------

glmm <- mixed[[model]]
if (package != "lavaan" && !is.null(glmm$prepare)) data <- glmm$prepare(data)

fit <- switch(package,
    lme4 = if (identical(glmm[[2]], gaussian)) function() lmer(glmm[[1]], data, REML = FALSE)
           else function() glmer(glmm[[1]], data, glmm[[2]], nAGQ = if (method == "laplace") 1 else points[[model]]),
    glmmTMB = {
        family <- if (is.character(glmm[[2]])) get(glmm[[2]])() else glmm[[2]]
        zeros <- if (is.null(glmm$zeros)) ~0 else glmm$zeros
        function() glmmTMB(glmm[[1]], data, family, ziformula = zeros)
    },
    ordinal = function() clmm(glmm[[1]], data = data, link = glmm[[2]],
                              nAGQ = if (method == "laplace") 1 else points[[model]]),
    lavaan = {
        if (model == "sleepstudy") {
            data <- stats::reshape(data, v.names = "Reaction", timevar = "Days", idvar = "Subject", direction = "wide")
            function() growth(lavaan_models[[model]], data)
        } else if (model == "holzinger") function() cfa(lavaan_models[[model]], data, meanstructure = TRUE,
                                                        information = "observed")
        else function() cfa(lavaan_models[[model]], data, ordered = paste0("y", 1:5), estimator = "MML",
                            link = "logit", information = "observed")
    })

estimates <- function(found) {
    if (package == "ordinal") return(as.list(c(coef(found), variance = VarCorr(found)[[1]][1, 1])))
    if (package != "lavaan") return(of_mixed(found, model))
    table <- lavaan::parTable(found)
    free <- table[table$free > 0, ]
    if (model == "sleepstudy") {
        names <- c("intercept~1" = "Reaction~1", "slope~1" = "Reaction~Days",
                   "intercept~~intercept" = "Subject.intercept~~Subject.intercept",
                   "intercept~~slope" = "Subject.intercept~~Subject.Days", "slope~~slope" = "Subject.Days~~Subject.Days",
                   "Reaction.0~~Reaction.0" = "Reaction~~Reaction")
        keys <- paste0(free$lhs, free$op, free$rhs)
        kept <- keys %in% names(names)
        return(as.list(setNames(free$est[kept], names[keys[kept]])))
    }
    if (model == "lsat6_2pl") {
        threshold <- free$op == "|"
        free$est[threshold] <- -free$est[threshold]
        keys <- ifelse(threshold, paste0(free$lhs, "~1"), paste0(free$lhs, free$op, free$rhs))
        return(as.list(setNames(free$est, keys)))
    }
    as.list(setNames(free$est, paste0(free$lhs, free$op, free$rhs)))
}

said <- character()
quietly <- function(expression) withCallingHandlers(expression, warning = function(w) {
    said <<- unique(c(said, conditionMessage(w)))
    invokeRestart("muffleWarning")
}, message = function(m) {
    said <<- unique(c(said, conditionMessage(m)))
    invokeRestart("muffleMessage")
})

outcome <- tryCatch({
    found <- quietly(fit())
    seconds <- busy <- numeric()
    while (length(seconds) < 3 || (sum(seconds) < budget && length(seconds) < 50)) {
        gc(FALSE)
        begun <- proc.time()
        found <- quietly(fit())
        used <- proc.time() - begun
        seconds <- c(seconds, used[["elapsed"]])
        busy <- c(busy, used[["user.self"]] + used[["sys.self"]])
    }
    report(seconds = I(seconds), busy = I(busy), loglik = as.numeric(logLik(found)), estimates = estimates(found), said = I(said),
           version = paste(package, packageVersion(package)), language = R.version.string,
           # lme4's log-likelihoods of several points are counted from the saturated model: a constant apart
           constants = !(package == "lme4" && method == "converged" && model %in% c("cbpp", "epil", "poisson")))
}, error = function(e) report(failed = conditionMessage(e)))
