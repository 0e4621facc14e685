#!/usr/bin/env python3
"""Writes log_tables.h: the constants of log.c, from 60-digit decimal arithmetic.

    python3 src/features/log_tables.py > src/features/log_tables.h
"""
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 60
ENTRIES = 128
STEP = Decimal(2) ** -42  # head parts are multiples of it, so that 1024 * ln 2 + ln c adds exactly
LN2 = Decimal(2).ln()


def head_and_tail(value, step):
    head = (value / step).to_integral_value() * step
    return float(head), float(value - head)


def row(*values):
    return "    {" + ", ".join(v.hex() for v in values) + "},"


def double_double(value):
    head = float(value)
    return head, float(value - Decimal(head))


print("/* Written by log_tables.py; do not edit. */")
print("#ifndef STRATA_FEATURES_LOG_TABLES_H\n#define STRATA_FEATURES_LOG_TABLES_H\n")
head, tail = head_and_tail(LN2, STEP)
print(f"static const double ln2_head = {head.hex()}, ln2_tail = {tail.hex()};\n")
print("/* By the leading 7 bits of the mantissa: 1/c with 9 bits behind the point, head and tail of ln c. */")
print(f"static const double log_table[{ENTRIES}][3] = {{")
for i in range(ENTRIES):
    middle = 1 + Fraction(2 * i + 1, 2 * ENTRIES)
    inverse = Fraction(round(512 / middle), 512) if i else Fraction(1)
    log = -(Decimal(inverse.numerator) / Decimal(inverse.denominator)).ln()
    print(row(float(inverse), *head_and_tail(log, STEP)))
print("};\n")
unit = LN2 / ENTRIES
head, tail = head_and_tail(unit, Decimal(2) ** -42)
print(f"static const double unit_head = {head.hex()}, unit_tail = {tail.hex()}; /* ln 2 / {ENTRIES} */")
print(f"static const double per_unit = {float(1 / unit).hex()};\n")
print(f"/* 2^(j / {ENTRIES}), head and tail. */")
print(f"static const double exp_table[{ENTRIES}][2] = {{")
for j in range(ENTRIES):
    print(row(*double_double((unit * j).exp())))
print("};\n\n#endif")
