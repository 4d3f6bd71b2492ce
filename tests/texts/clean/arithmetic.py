"""Arithmetic: sums as pupils and models write them, worked solutions, word problems, algebra."""

from fractions import Fraction
from math import gcd, lcm, log
from statistics import median

from .draw import ENGLISH, GERMAN, PLAIN, SPACED, Draw, Kind, any_of, one_of, write_number


def bare_sum(draw: Draw) -> str:
    a, b = draw.n(1000, 99999), draw.n(100, 9999)
    sign, result = draw.pick(("+", a + b), ("-", a - b), ("*", a * b), ("×", a * b), ("−", a - b))
    blank, equals = draw.pick("", " "), draw.pick("=", " = ")
    text = f"{a}{blank}{sign}{blank}{b}{equals}{result}"
    return draw.fill(
        draw.pick(
            "{}",
            "{}.",
            "What is left is easy: {}",
            "So the answer is {}.",
            "⟨n 2-9⟩) {}",
            "Step ⟨n 2-6⟩: {}",
            "Check: {} ✓",
            "<<{}>>",
        )
    ).replace("{}", text)


def chain_of_steps(draw: Draw) -> str:
    total = draw.n(2000, 9000)
    lines, unit = [], draw.pick("", "$", "€")
    template = draw.pick(
        "After {what}: {unit}{total}-{unit}{part}={unit}{rest}",
        "{total} - {part} = {rest} ({what})",
        "{what}: {part}, so {total}−{part}={rest} remain",
        "Subtract {part} for {what}: {total}-{part}=<<{total}-{part}={rest}>>{rest}",
    )
    for what in draw.random.sample(("rent", "food", "fuel", "repairs", "books", "insurance"), draw.n(2, 4)):
        part = draw.n(100, 450)
        lines.append(template.format(what=what, unit=unit, total=total, part=part, rest=total - part))
        total -= part
    return "\n".join([*lines, draw.pick(f"Answer: {unit}{total}", f"#### {total}", f"That leaves {unit}{total}.")])


def long_division(draw: Draw) -> str:
    divisor, quotient = draw.n(3, 98), draw.n(112, 9876)
    number = divisor * quotient + draw.n(0, divisor - 1)
    lines, rest, shown = [], 0, ""
    for digit in str(number):
        rest = rest * 10 + int(digit)
        if shown or rest >= divisor:
            step = rest // divisor
            shown += str(step)
            lines.append(f"{rest} ÷ {divisor} = {step}, {step}·{divisor} = {step * divisor}, rest {rest % divisor}")
            rest %= divisor
    end = draw.pick(f"{number} : {divisor} = {shown} R {rest}", f"{number}/{divisor} = {shown} remainder {rest}")
    return "\n".join([draw.pick(f"Divide {number} by {divisor}.", f"{divisor} ) {number}"), *lines, end])


def repeating_decimal(draw: Draw) -> str:
    top, bottom = draw.n(1, 40), draw.pick(3, 6, 7, 9, 11, 12, 13, 17, 27, 37, 99)
    places = draw.n(4, 12)
    value = f"{top / bottom:.{places}f}"
    return draw.pick(
        f"{top}/{bottom} = {value}…",
        f"{top} divided by {bottom} is about {value}, which never ends.",
        f"As a decimal, {top}/{bottom} is {value} to {places} places.",
        f">>> {top} / {bottom}\n{top / bottom:.{min(places + 3, 12)}f}",
        f"{top}÷{bottom}≈{value}; rounded {top / bottom:.2f}.",
    )


def fractions(draw: Draw) -> str:
    a, b = Fraction(draw.n(1, 17), draw.n(2, 24)), Fraction(draw.n(1, 17), draw.n(2, 24))
    common = lcm(a.denominator, b.denominator)
    left, right = a.numerator * common // a.denominator, b.numerator * common // b.denominator
    return draw.pick(
        f"{a} + {b} = {left}/{common} + {right}/{common} = {left + right}/{common}",
        f"To add {a} and {b}, use the common denominator {common}: ({left}+{right})/{common} = {a + b}.",
        f"({a})·({b}) = {a * b}",
        f"{a} ÷ {b} = {a} × {1 / b} = {a / b}",
        rf"\frac{{{a.numerator}}}{{{a.denominator}}} + \frac{{{b.numerator}}}{{{b.denominator}}} = {a + b}",
        f"{draw.n(1, 9)} {draw.pick('1/2', '3/4', '2/3', '⅝', '⅓')} cups less {draw.pick('¼', '1/8', '½')} cup",
    )


def percentages(draw: Draw) -> str:
    base, rate = draw.n(4, 400) * 50, draw.n(2, 60)
    part = base * rate
    return draw.pick(
        f"{rate}% of {base} is {base}*0.{rate:02}={write_number(part, 2, PLAIN)}",
        f"(0.{rate:02}){base} = {write_number(part, 2, ENGLISH)}",
        f"(0.20)156.25 = 31.25, and ({rate / 100:.2f}){base}.00 = {part / 100:.2f}",
        f"A discount of {rate} % on {base} leaves {base}×(1−{rate / 100})={base - part / 100:g}.",
        f"{rate} Prozent von {write_number(base, 0, GERMAN)} sind {write_number(part, 2, GERMAN)}.",
        f"{rate}\u00a0% de {write_number(base, 0, SPACED)} font {write_number(part, 2, SPACED)}.",
        f"From {base} to {base + part // 100}: up {rate} percent, i.e. +{part // 100}.",
    )


def word_problem(draw: Draw) -> str:
    boxes, each, sold = draw.n(12, 90), draw.n(12, 48), draw.n(20, 140)
    who, what = draw.pick(
        ("A bakery", "rolls"), ("The farm", "eggs"), ("A nursery", "tulips"), ("The library", "books"),
        ("A factory", "screws"), ("The school", "pencils"), ("A shop", "candles"),
    )  # fmt: skip
    total = boxes * each
    return draw.pick(
        f"{who} has {boxes} boxes with {each} {what} in each and gives away {sold}. How many {what} are left?\n"
        f"{boxes}*{each}={total}, {total}-{sold}={total - sold}. The answer is {total - sold}.",
        f"{who} sells {sold} of its {total} {what}. {total} - {sold} = {total - sold} {what} remain, "
        f"or {(total - sold) / total:.4f} of all.",
        f"Q: {who} packs {total} {what} into boxes of {each}. How many boxes?\nA: {total}/{each} = {boxes}.",
        f"{who} needs {boxes} {what} a day. For {each} days that makes {boxes}×{each} = {total} {what}, "
        f"plus {sold} in reserve: {total}+{sold}={total + sold}.",
        f"First, {boxes} × {each} = <<{boxes}*{each}={total}>>{total} {what}. "
        f"Then {total} + {sold} = <<{total}+{sold}={total + sold}>>{total + sold}.\n#### {total + sold}",
    )


def powers_and_roots(draw: Draw) -> str:
    base, power = draw.n(2, 19), draw.n(3, 9)
    return draw.pick(
        f"{base}^{power} = {base**power}",
        f"{base}**{power} == {base**power}  # True",
        f"√{base * base} = {base}, √{base} ≈ {base**0.5:.8f}",
        f"log2({2**power}) = {power} and ln({base}) ≈ {log(base):.6f}",
        f"{base}e{power} is {base * 10**power}, {base}E-{power} is {base / 10**power:.{power}f}",
        f"{base}·10^{power} m ÷ 3·10^8 m/s = {base / 3:.5f}·10^{power - 8} s",
        f"The series {', '.join(str(base**k) for k in range(1, 7))} grows by the factor {base}.",
        f"2^{30 + power} = {2 ** (30 + power)}, more than {base} billion.",
    )


def common_divisors(draw: Draw) -> str:
    shared, a, b = draw.n(3, 60), draw.n(7, 80), draw.n(7, 80)
    a, b = a * shared, b * shared
    steps, x, y = [], max(a, b), min(a, b)
    while y:
        steps.append(f"{x} = {x // y}·{y} + {x % y}")
        x, y = y, x % y
    return draw.pick(
        f"gcd({a}, {b}) = {gcd(a, b)}:\n" + "\n".join(steps),
        "; ".join(steps) + f". So the greatest common divisor is {x}.",
        f"lcm({a},{b})={lcm(a, b)}, since {a}*{b}={a * b} and {a * b}/{gcd(a, b)}={lcm(a, b)}.",
    )


def polynomials(draw: Draw) -> str:
    a, b, c, d = (draw.n(2, 19) for _ in range(4))
    return draw.pick(
        f"({a}x + {b})({c}x − {d}) = {a * c}x² {b * c - a * d:+}x − {b * d}",
        f"f(x) = {a}x^3 - {b}x^2 + {c}x - {d}, f'(x) = {3 * a}x^2 - {2 * b}x + {c}",
        f"Solve {a}x + {b} = {a * c + b}: {a}x = {a * c}, x = {c}.",
        f"x₁,₂ = ({b} ± √({b * b} + {4 * a * c})) / {2 * a} = ({b} ± {(b * b + 4 * a * c) ** 0.5:.4f}) / {2 * a}",
        f"∫₀^{a} {b}x dx = {b}·{a}²/2 = {b * a * a / 2:g}",
        f"$\\sum_{{k=1}}^{{{a * 10}}} k = \\frac{{{a * 10}\\cdot{a * 10 + 1}}}{{2}} = {a * 10 * (a * 10 + 1) // 2}$",
        f"y = {a}.{b}x + {c}.{d}, R² = 0.{draw.n(7001, 9999)}, n = {draw.n(12, 900)}",
        f"|{a} − {b}| ≤ ε·{c}, a_{d} = {a}·{b}^{c - 1}",
    )


def matrices(draw: Draw) -> str:
    a, b, c, d = (draw.n(-12, 40) for _ in range(4))
    return draw.pick(
        f"A = [[{a}, {b}], [{c}, {d}]], det A = {a}·({d}) − ({b})·({c}) = {a * d - b * c}",
        f"⎡{a:>4} {b:>4}⎤\n⎣{c:>4} {d:>4}⎦  trace {a + d}",
        f"({a}, {b}) · ({c}, {d}) = {a * c} + {b * d} = {a * c + b * d}",
        f"[{a} {b}; {c} {d}] * [1; 1] = [{a + b}; {c + d}]",
        f"The point ({a}|{b}) mirrored at the origin is ({-a}|{-b}); its distance to ({c}|{d}) is "
        f"{((a - c) ** 2 + (b - d) ** 2) ** 0.5:.6f}.",
    )


def other_bases(draw: Draw) -> str:
    value = draw.n(300, 60000)
    return draw.pick(
        f"{value} = 0x{value:X} = 0b{value:b} = 0o{value:o}",
        f"{value} in binary: {value:b}; in hex: {value:04x}",
        f"int('{value:x}', 16) gives {value}",
        f"{value:016b}\n{value >> 3:016b}  (shifted right by 3 bits)",
        f"{value:#x} & 0xFF = {value & 255:#04x} ({value & 255})",
    )


def averages(draw: Draw) -> str:
    values = [draw.n(11, 990) for _ in range(draw.n(4, 9))]
    total, mean = sum(values), sum(values) / len(values)
    return draw.pick(
        f"({'+'.join(map(str, values))})/{len(values)} = {total}/{len(values)} = {mean:.3f}",
        f"Values: {' '.join(map(str, values))}. Sum {total}, mean {mean:.2f}, maximum {max(values)}.",
        f"The median of {', '.join(map(str, sorted(values)))} is {median(values)}.",
        f"{values} → min={min(values)} max={max(values)} avg={mean:.6f}",
        f"{'-'.join(map(str, values[:3]))}={values[0] - values[1] - values[2]}",
    )


KINDS: dict[str, Kind] = {
    "bare_sum": bare_sum,
    "chain_of_steps": chain_of_steps,
    "long_division": long_division,
    "repeating_decimal": repeating_decimal,
    "fractions": fractions,
    "percentages": percentages,
    "word_problem": word_problem,
    "powers_and_roots": powers_and_roots,
    "common_divisors": common_divisors,
    "polynomials": polynomials,
    "matrices": matrices,
    "other_bases": other_bases,
    "averages": averages,
    "long_decimals": any_of(
        "1 lb is exactly 0.45359237 kg, so ⟨n 2-90⟩ lb are about ⟨f 1-40.8⟩ kg.",
        "π ≈ 3.14159265358979, e ≈ 2.71828182845905; our own value is off by ⟨f 0-1.9⟩.",
        "The loss falls from ⟨f 1-9.10⟩ to ⟨f 0-1.12⟩ within ⟨n 2-40⟩ epochs.",
        "0.33333333 + 0.66666667 = 1.00000000, tolerance ⟨f 0-1.7⟩.",
        "Got ⟨f 0-9.11⟩, expected ⟨f 0-9.11⟩ (relative error ⟨n 1-9⟩.⟨n 10-99⟩e-⟨n 3-12⟩).",
        "p = 0.⟨n 1000-9999⟩, t(⟨n 12-180⟩) = ⟨f 1-6.3⟩, 95 % CI [⟨f 0-1.4⟩, ⟨f 1-2.4⟩].",
        "round(⟨f 1-99.9⟩, 3)",
        "The golden ratio is 1.6180339887, √2 is 1.4142135624, and ⟨n 3-99⟩ times it ⟨f 3-140.6⟩.",
    ),
    "written_solutions": one_of(
        "Let x be the price. Then x + ⟨n 2-9⟩x = ⟨n 100-900⟩, and x follows by division.",
        "The train covers ⟨n 120-900⟩ km in ⟨n 2-9⟩ h ⟨n 10-55⟩ min; at ⟨n 60-220⟩ km/h it would need ⟨f 1-9.2⟩ h.",
        "Given: v = ⟨n 5-90⟩ m/s, t = ⟨n 5-90⟩ s. Wanted: s. s = v·t, with g = 9.81 m/s².",
        "If ⟨n 3-9⟩ machines make ⟨n 100-999⟩ parts in ⟨n 2-8⟩ hours, one machine makes ⟨f 5-90.3⟩ parts an hour.",
        "A tank of ⟨n 200-999⟩ L loses ⟨n 2-9⟩ L/min. After ⟨n 10-60⟩ minutes, ask how much is left: ⟨n 1-900⟩ L.",
        "The ages add up to ⟨n 40-99⟩; in ⟨n 2-9⟩ years the sum is ⟨n 100-120⟩, which fixes both.",
        "Mix ⟨n 2-9⟩ parts of syrup with ⟨n 10-40⟩ parts of water (1:⟨n 3-9⟩).",
        "A rectangle of ⟨n 10-99⟩ cm × ⟨n 10-99⟩ cm has a perimeter of ⟨n 60-400⟩ cm; its diagonal is ⟨f 15-140.4⟩ cm.",
        "Ein Zug fährt um ⟨t %H:%M⟩ Uhr ab und braucht für ⟨n 80-700⟩ km genau ⟨n 1-6⟩ Stunden ⟨n 10-50⟩ Minuten.",
        "Un rectangle mesure ⟨n 3-40⟩ m sur ⟨n 3-40⟩ m ; son périmètre vaut ⟨n 12-160⟩ m.",
    ),
}
