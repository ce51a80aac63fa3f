# SPDX-License-Identifier: MIT
"""Contrast of every pair of colours that style.css uses, by WCAG 2.2 AA: text
4.5 (1.4.3), graphics 3 (1.4.11). Text also on every shade of an activation.
"""
import re
import sys

TEXT, GRAPHIC = 4.5, 3


def linear(x):
    return x / 12.92 if x <= .04045 else ((x + .055) / 1.055) ** 2.4


def luminance(color):
    return sum(linear(x) * part
               for x, part in zip(color, (.2126, .7152, .0722)))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + .05) / (low + .05)


def mixed(a, b, part):
    return [x * part + y * (1 - part) for x, y in zip(a, b)]


def pairs(c):
    """(what, contrast, least) of a theme's colours."""
    for ink in "ink", "ink-2", "ink-3":
        for back in "bg", "bg-2", "bg-3":
            yield f"{ink} on {back}", contrast(c[ink], c[back]), TEXT
    for back in "bg", "bg-2":
        yield f"values on {back}", contrast(c["act-line"], c[back]), TEXT
        for shade in "act", "mea", "src-fill":
            yield (f"text on {shade} over {back}, the worst shade",
                   min(contrast(c["ink"], mixed(c[shade], c[back], i / 20))
                       for i in range(21)), TEXT)
        for graphic in ("edge", "bar", "act-bar", "act-line", "src", "two",
                        "mea-bar", "here"):
            yield f"{graphic} on {back}", contrast(c[graphic], c[back]), GRAPHIC
    yield "the chosen row", contrast(c["here"], c["bg-3"]), GRAPHIC


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = re.findall(r"--([\w-]+):\s*light-dark\((#\w{6}), (#\w{6})\)",
                           file.read())
    bad = 0
    for number, theme in enumerate(("light", "dark")):
        colors = {name: [int(value[number][i:i + 2], 16) / 255
                         for i in (1, 3, 5)] for name, *value in found}
        for what, has, least in pairs(colors):
            if has < least:
                print(f"{theme}: {what}: {has:.2f}, not {least}")
                bad += 1
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
