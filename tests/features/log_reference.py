#!/usr/bin/env python3
"""Writes log_reference.h: log(1 + x) and exp(y) - 1 to 100 bits, from 80-digit decimal arithmetic.

    python3 tests/features/log_reference.py > tests/features/log_reference.h
"""
import random
from decimal import Decimal, getcontext

getcontext().prec = 80
getcontext().Emin, getcontext().Emax = -99999, 99999


def log1p(x):
    x = Decimal(x)
    return x - x * x / 2 + x**3 / 3 if x < Decimal("1e-30") else (1 + x).ln()


def expm1(y):
    y = Decimal(y)
    return y + y * y / 2 + y**3 / 6 if y < Decimal("1e-30") else y.exp() - 1


def table(name, function, values):
    print(f"static const double {name}[][3] = {{ /* argument, head and tail of the result */")
    for v in sorted(values):
        truth = function(v)
        head = float(truth)
        print(f"    {{{v.hex()}, {head.hex()}, {float(truth - Decimal(head)).hex()}}},")
    print("};\n")


random.seed(1)
logs = [5e-324, 1e-300, 2.0**-54, 2.0**-53, 1.8e-16, 1e-10, 0.0078125, 0.00782514299431004, 0.1, 0.5,
        1 - 2.0**-53, 1.0, 1 + 2.0**-52, 2.0, 3.0, 99.0, 365.0, 1e15, 2.0**53 - 1, 2.0**53, 1e16, 1e100,
        1e300, 1e301, 2.0**1000, 1.7976931348623157e308]
logs += [random.uniform(0, 0.02) for _ in range(60)] + [random.random() for _ in range(60)]
logs += [float(random.randrange(100000)) for _ in range(60)]
logs += [random.uniform(1, 10) * 10.0**random.randrange(-20, 307) for _ in range(120)]
logs += [random.randrange(2**53) / 10**4 for _ in range(40)]
exps = [5e-324, 1e-300, 2.0**-54, 2.0**-53, 1e-10, 0.0027, 0.00272242275354797, 0.00283191421630726, 0.5,
        0.6931471805599453, 1.0, 10.0, 35.0, 36.7, 100.0, 138.5, 139.5, 700.0, 709.0, 709.782712893384]
exps += [random.uniform(0, 0.02) for _ in range(80)] + [random.random() for _ in range(80)]
exps += [random.uniform(0, 40) for _ in range(80)] + [random.uniform(0, 709.7) for _ in range(80)]
print("/* Written by log_reference.py; do not edit. */")
table("log_reference", log1p, logs)
table("exp_reference", expm1, exps)
