"""The gamma function as counts and proportions need it, with the derivatives that `math` lacks.

By Stirling's series (Abramowitz & Stegun 1964, 6.1.41, 6.3.18, 6.4.12), with c = B₂ₖ-terms in 1/x²,

    log Γ(x) ~ (x − ½) log x − x + ½ log 2π + 1/12x − 1/360x³ + ...,

its argument brought above 10 by Γ(x + 1) = x Γ(x) first.
"""

from __future__ import annotations

import math

from semgllamm.responses.jit import kernel

__all__ = ["log_rising", "polygamma", "stirling"]

ASYMPTOTIC = 12.0
FEW = 24.0  # factors of a rising factorial that are multiplied one by one


@kernel
def stirling(x):
    """R(x) = log Γ(x) − (x − ½) log x + x − ½ log 2π for x of 12 and more, and its first three derivatives."""
    z = 1.0 / x
    t = z * z
    r = z * (1 / 12 - t * (1 / 360 - t * (1 / 1260 - t * (1 / 1680 - t * (1 / 1188 - t * (691 / 360360 - t / 156))))))
    r1 = -t * (1 / 12 - t * (1 / 120 - t * (1 / 252 - t * (1 / 240 - t * (1 / 132 - t * (691 / 32760 - t / 12))))))
    r2 = t * z * (1 / 6 - t * (1 / 30 - t * (1 / 42 - t * (1 / 30 - t * (5 / 66 - t * (691 / 2730 - t * 7 / 6))))))
    r3 = -t * t * (1 / 2 - t * (1 / 6 - t * (1 / 6 - t * (3 / 10 - t * (5 / 6 - t * (691 / 210 - t * 17.5))))))
    return r, r1, r2, r3


@kernel
def polygamma(x):
    """ψ(x), ψ'(x) and ψ''(x) for x > 0."""
    a, b, c = 0.0, 0.0, 0.0
    while x < ASYMPTOTIC:
        z = 1.0 / x
        a -= z
        b += z * z
        c -= 2.0 * z * z * z
        x += 1.0
    z = 1.0 / x
    _, r1, r2, r3 = stirling(x)
    return a + math.log(x) - 0.5 * z + r1, b + z + 0.5 * z * z + r2, c - z * z - z * z * z + r3


@kernel
def log_rising(y, r, log_r):
    """log of r (r + 1) ⋯ (r + y − 1) = Γ(y + r) / Γ(r) for a whole number y, and three derivatives in log r.

    The factor r itself is log-linear in log r and has no part in the second and third, which keeps their digits for
    small r. Factors after the first few are taken by Stirling's series.
    """
    if y == 0.0:
        return 0.0, 0.0, 0.0, 0.0
    total, b1, b2, b3 = log_r, 1.0, 0.0, 0.0
    few = y if y <= FEW else ASYMPTOTIC
    j = 1.0
    while j < few:
        p = r / (r + j)
        q = j / (r + j)
        total += math.log(r + j)
        b1 += p
        b2 += p * q
        b3 += p * q * (q - p)
        j += 1.0
    if y > FEW:
        # Γ(b)/Γ(a), a = r + few, b = r + y
        a, b, z = r + few, r + y, y - few
        ra, ra1, ra2, ra3 = stirling(a)
        rb, rb1, rb2, rb3 = stirling(b)
        ratio = math.log1p(z / a)
        total += (a - 0.5) * ratio + z * math.log(b) - z + rb - ra
        d1 = ratio + 0.5 * z / (a * b) + rb1 - ra1
        d2 = -z / (a * b) - 0.5 * z * (a + b) / (a * a * b * b) + rb2 - ra2
        d3 = z * (a + b) / (a * a * b * b) + z * (a * a + a * b + b * b) / (a * a * a * b * b * b) + rb3 - ra3
        b1 += r * d1
        b2 += r * d1 + r * r * d2
        b3 += r * d1 + 3.0 * r * r * d2 + r * r * r * d3
    return total, b1, b2, b3
