"""Money: prices, totals and salaries in the number styles of many countries (CLDR number formats, ISO 4217)."""

from .draw import (
    ENGLISH,
    FRENCH,
    GERMAN,
    HARD_SPACED,
    SPACED,
    SWISS,
    SWISS_CURLY,
    Draw,
    Kind,
    any_of,
    one_of,
    write_number,
)


def indian_grouping(draw: Draw) -> str:
    """Return a price in lakh and crore: the last three digits, then groups of two (CLDR en-IN)."""
    value = draw.n(100_000, 99_999_999)
    head, last = divmod(value, 1000)
    groups = []
    while head:
        head, group = divmod(head, 100)
        groups.insert(0, f"{group:02}" if head else str(group))
    text = ",".join([*groups, f"{last:03}"])
    return draw.pick(
        f"The flat is listed at ₹{text}.",
        f"Rs. {text}/- only",
        f"कुल कीमत ₹ {text} है।",
        f"Budget: INR {text} ({value / 100_000:.2f} lakh)",
        f"Turnover rose to {value / 10_000_000:.2f} crore, i.e. ₹{text}.00",
    )


def invoice_lines(draw: Draw) -> str:
    style, currency = draw.pick((ENGLISH, "$"), (GERMAN, "€"), (SWISS, "CHF"), (SPACED, "Kč"), (FRENCH, "€"))
    template = draw.pick("{1} x {0} @ {2} = {3}", "{0:<12}{1:>4}{2:>12}{3:>14}", "{0} ({1} × {2}): {3}")
    total, lines = 0, []
    for _ in range(draw.n(2, 4)):
        count, price = draw.n(1, 40), draw.n(99, 49_999)
        total += count * price
        what = draw.pick("Toner", "Desk lamp", "Kabel 3 m", "Paper A4", "Chaise", "Adapter", "Seminar", "License")
        one, all_of_it = write_number(price, 2, style), write_number(count * price, 2, style)
        lines.append(template.format(what, count, one, all_of_it))
    tax = total * 19 // 100
    lines.append(f"{draw.pick('Subtotal', 'Zwischensumme', 'Net')} {currency} {write_number(total, 2, style)}")
    lines.append(f"19 % {draw.pick('VAT', 'MwSt.', 'TVA')} {currency} {write_number(tax, 2, style)}")
    return "\n".join([*lines, f"Total {currency} {write_number(total + tax, 2, style)}"])


KINDS: dict[str, Kind] = {
    "indian_grouping": indian_grouping,
    "invoice_lines": invoice_lines,
    "dollars_and_pounds": any_of(
        "The bill came to $⟨d 10-9999.2⟩, of which $⟨n 2-90⟩ was the tip.",
        "£⟨d 1000-99999.2⟩ p.a., or about £⟨g 100-8000⟩ a month",
        "US$ ⟨g 1000-999999⟩ against A$⟨g 1000-999999⟩ and NZ$⟨n 100-999⟩",
        "It dropped from $⟨n 100-999⟩k to $⟨n 10-99⟩.⟨n 1-9⟩K; market cap $⟨f 1-900.1⟩B.",
        "5 @ 3.⟨n 10-99⟩ each, ⟨n 2-40⟩ @ ⟨n 1-9⟩.⟨n 10-99⟩, less 10%",
        "Refund of USD ⟨d 10-999.2⟩ (fee 2.9% + 30¢)",
        "Up ⟨f 0-9.2⟩% at $⟨d 10-999.2⟩, volume ⟨g 1000000-90000000⟩ shares.",
    ),
    "euros_with_comma": any_of(
        "Der Rechnungsbetrag von ⟨d 1000-99999.2⟩ € ist bis Monatsende fällig.",
        "Statt ⟨d 100-999.2⟩ EUR nur ⟨d 10-99.2⟩ EUR inkl. ⟨w 7|19⟩ % MwSt.",
        "Preis: ⟨n 5-900⟩,- € / Stück, ab ⟨n 10-90⟩ Stk. ⟨n 2-4⟩,⟨n 10-99⟩ €",
        "Il totale è di € ⟨d 1000-9999.2⟩, sconto del ⟨n 5-40⟩%.",
        "El importe asciende a ⟨d 1000-99999.2⟩ €, IVA incluida (21 %).",
        "Totaal € ⟨d 100-9999.2⟩, korting ⟨n 2-30⟩%, nog ⟨n 2-99⟩,- te betalen",
        "Valor: R$ ⟨d 1000-99999.2⟩ em ⟨n 2-12⟩x sem juros",
        style=GERMAN,
    ),
    "prices_with_blank": any_of(
        "Le loyer passe de ⟨d 500-2900.2⟩ € à ⟨d 700-3900.2⟩ € par mois.",
        "Total TTC : ⟨g 1000-999999⟩ €, acompte de ⟨n 10-50⟩ %",
        "Soit ⟨d 1000-99999.2⟩ $ CA avant taxes.",
        "Budget de ⟨g 1000000-99999999⟩ F CFA sur ⟨n 2-5⟩ ans",
        style=FRENCH,
    ),
    "prices_of_the_north_and_east": any_of(
        "Priset är ⟨g 1000-99999⟩ kr, frakt ⟨n 29-199⟩:- tillkommer.",
        "Cena: ⟨d 1000-9999.2⟩ zł brutto (⟨d 800-8000.2⟩ zł netto, VAT 23%)",
        "Цена ⟨g 1000-999999⟩ ₽, скидка ⟨n 5-50⟩ %, итого ⟨d 1000-99999.2⟩ руб.",
        "Celkem ⟨d 1000-99999.2⟩ Kč, záloha ⟨g 1000-9000⟩ Kč",
        "Hinta ⟨d 10-9999.2⟩ €, alv 25,5 %",
        "Вартість ⟨g 1000-99999⟩ грн, знижка ⟨n 5-40⟩ %",
        "Fizetendő: ⟨g 1000-999999⟩ Ft, ÁFA 27%",
        style=HARD_SPACED,
    ),
    "swiss_prices": any_of(
        "CHF ⟨d 1000-999999.2⟩",
        "Die Miete beträgt Fr. ⟨g 1000-4000⟩.– plus ⟨n 100-400⟩.– Nebenkosten.",
        "Le prix est de ⟨d 1000-99999.2⟩ francs, TVA 8.1 %.",
        "Total SFr. ⟨d 1000-99999.2⟩, Rundung 0.05",
        "Prezzo fr. ⟨g 1000-99999⟩.– invece di ⟨g 1000-99999⟩.–",
        style=SWISS,
    ),
    "curly_swiss_prices": any_of(
        "Das Budget liegt bei CHF ⟨g 100000-9999999⟩.– für ⟨n 2-5⟩ Jahre.",
        "Bestand ⟨g 1000-999999⟩ Stück zu ⟨d 1-99.2⟩ Fr.",
        "Umsatz ⟨n 2015-2029⟩: ⟨d 1000000-99999999.2⟩ Franken",
        style=SWISS_CURLY,
    ),
    "asian_prices": one_of(
        "合計 ¥⟨g 1000-999999⟩(税込、送料⟨n 300-900⟩円)",
        "価格は⟨n 2-90⟩万⟨n 1000-9000⟩円です。",
        "总价 ⟨g 1000-99999⟩.⟨n 10-99⟩ 元,运费 ⟨n 5-30⟩ 元。",
        "这套房子卖 ⟨n 100-900⟩ 万元,每平方米 ⟨g 10000-90000⟩ 元",
        "가격은 ₩⟨g 10000-9999000⟩이고 배송비는 ⟨g 2500-5000⟩원입니다.",
        "ราคา ⟨g 1000-99999⟩ บาท ลด ⟨n 5-70⟩% เหลือ ฿⟨g 100-9000⟩",
        "السعر ⟨d 100-9999.2⟩ ريال، والشحن ⟨n 10-60⟩ ريالاً",
        "המחיר הוא ⟨d 10-9999.2⟩ ₪ כולל מע״מ",
        "Giá ⟨n 10-900⟩.000 ₫, giảm ⟨n 5-50⟩%",
        "Rp ⟨n 10-900⟩.000,- per ⟨w box|dus⟩, PHP ⟨g 1000-90000⟩, RM⟨n 10-999⟩.90",
        "HK$⟨g 1000-99999⟩ / NT$⟨g 1000-99999⟩",
    ),
    "salaries": any_of(
        "The post pays ⟨g 40000-90000⟩ to ⟨g 91000-160000⟩ USD a year, plus ⟨n 5-20⟩% bonus.",
        "Band ⟨n 5-9⟩: £⟨g 25000-49000⟩–£⟨g 50000-90000⟩ pro rata, ⟨n 20-40⟩ h/week.",
        "Minimum wage rises to $⟨n 12-22⟩.⟨n 10-95⟩/h, overtime at 1.5x.",
        "Gross ⟨g 2000-9000⟩, net ⟨g 1500-6000⟩, ⟨n 12-14⟩ payments a year",
        "The median income was ⟨g 30000-70000⟩ in ⟨n 2005-2025⟩, up ⟨f 0-9.1⟩ %.",
        "Grade E⟨n 9-15⟩, step ⟨n 1-6⟩: ⟨d 3000-7500.2⟩ per month",
        "Day rate ⟨n 300-1200⟩–⟨n 1201-1900⟩, ⟨n 3-12⟩ months, hybrid",
    ),
    "exchange_rates": one_of(
        "EUR/USD 1.⟨n 0500-9999⟩, USD/JPY ⟨f 100-160.3⟩, GBP/CHF 1.⟨n 1000-2999⟩",
        "1 EUR = ⟨f 4-5.4⟩ PLN (fixing of ⟨t %Y-%m-%d⟩)",
        "Kurs: 1 € = 0,⟨n 8001-9999⟩ £; ⟨n 100-999⟩ € = ⟨n 80-890⟩,⟨n 10-99⟩ £",
        "BTC at ⟨g 20000-99000⟩.⟨n 10-99⟩, ETH ⟨g 1000-4900⟩, fee 0.000⟨n 10-99⟩ BTC",
        "The spread widened to ⟨n 12-400⟩ bp; the 10-year yields ⟨f 0-6.3⟩ %.",
        "курс ⟨n 70-99⟩,⟨n 1000-9999⟩ ₽ за 1 $",
        "Gold closed at ⟨g 1200-2900⟩.⟨n 10-90⟩/oz, Brent at ⟨f 40-120.2⟩.",
    ),
}
