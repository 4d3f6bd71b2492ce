"""Numbers of things: orders, parcels, articles and books (GS1 EAN-13, ISBN-10 and -13, ISSN, UPU S10), none a person's."""

from .draw import Draw, Kind, any_of

CARRIER_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)


def check_of_ean(digits: str) -> str:
    """Return the check digit of GS1: weights 1 and 3, the last digit with 3."""
    return str(-sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits))) % 10)


def ean(draw: Draw) -> str:
    body = draw.pick("40", "50", "76", "30", "80", "87", "01", "73") + draw.pattern("##########")
    code = body + check_of_ean(body)
    short = "4" + draw.pattern("######")
    return draw.fill(
        draw.pick(
            f"EAN {code}, ⟨n 2-90⟩ in stock",
            f"GTIN: 0{code}",
            f"The scanner reads {code} but the shelf says ⟨n 1-9⟩.⟨n 10-99⟩.",
            f"EAN-8 {short}{check_of_ean(short)}",
            f"{code[0]} {code[1:7]} {code[7:]}",
            f"Artikel {code} fehlt in Filiale ⟨n 10-900⟩.",
        )
    )


def isbn(draw: Draw) -> str:
    group, book = draw.pick("0", "1", "2", "3", "4", "5", "7"), draw.pattern("########")
    body = f"978{group}{book}"
    check = check_of_ean(body)
    weighted = sum(int(digit) * (10 - place) for place, digit in enumerate(group + book))
    short_check = "0123456789X"[-weighted % 11]
    return draw.fill(
        draw.pick(
            f"ISBN 978-{group}-{book[:3]}-{book[3:]}-{check}",
            f"ISBN-13: {body}{check} (⟨n 80-900⟩ pp.)",
            f"ISBN {group}-{book[:4]}-{book[4:]}-{short_check}, ⟨n 1-9⟩. edition",
            f"ISBN-10 {group}{book}{short_check}",
            f"The second volume has ISBN 978 {group} {book[:4]} {book[4:]} {check}; the shelf mark is QA⟨n 10-99⟩.⟨n 2-9⟩.",
        )
    )


def parcels(draw: Draw) -> str:
    serial = draw.pattern("*#######")
    check = 11 - sum(int(d) * w for d, w in zip(serial, CARRIER_WEIGHTS, strict=True)) % 11
    check = {10: 0, 11: 5}.get(check, check)
    return draw.fill(
        draw.pick(
            f"Parcel R{draw.pick('A', 'B', 'R')}{serial}{check}{draw.pick('DE', 'CN', 'SE', 'FR')} left the depot on ⟨t %d %b⟩.",
            f"C{draw.pick('C', 'P', 'Y')} {serial[:3]} {serial[3:6]} {serial[6:]}{check} US: held at customs",
            "Sendung JJD0⟨n 10-99⟩-⟨p ????⟩-⟨p ####⟩ liegt in der Filiale, Fach ⟨n 1-90⟩.",
            "Container MSCU ⟨p ######⟩-⟨n 0-9⟩, seal ⟨p ??####⟩, ⟨n 1000-28000⟩ kg",
            "Tracking 1Z⟨p ?##?##⟩0⟨p ###⟩ shows 'in transit' for ⟨n 2-9⟩ days.",
            "Pallet ⟨n 2-40⟩ of 40, slot ⟨p ?-##-##⟩, manifest ⟨p ??-####⟩",
        )
    )


KINDS: dict[str, Kind] = {
    "ean": ean,
    "isbn": isbn,
    "parcels": parcels,
    "orders": any_of(
        "My order ⟨p ??-####-##⟩ has not arrived.",
        "Order #⟨n 1000-99999⟩ was placed on ⟨t %d %B⟩ and split into ⟨n 2-4⟩ parcels.",
        "PO 4500⟨p 0#####⟩ lacks item ⟨n 10-90⟩.",
        "Bestellung B⟨n 19-29⟩/⟨p ####⟩ wurde storniert, bitte neu anlegen.",
        "La commande n° ⟨n 10000-999999⟩ du ⟨t %d/%m/%Y⟩ est incomplète.",
        "El pedido n.º ⟨p ?####⟩-⟨n 1-9⟩ llegó roto.",
        "注文番号 ⟨p ??####⟩ の商品がまだ届きません。",
        "Zamówienie nr ZK/⟨n 100-9999⟩/⟨n 2019-2029⟩ czeka na wysyłkę.",
        "Order ⟨p ####⟩-⟨p ??⟩ contains ⟨n 2-90⟩ × article ⟨p ##.###⟩.",
    ),
    "invoices": any_of(
        "Invoice INV-⟨n 2015-2029⟩-⟨p ####⟩ is overdue by ⟨n 2-90⟩ days.",
        "Rechnung Nr. RE⟨n 2015-2029⟩-⟨p ####⟩ vom ⟨t %d.%m.%Y⟩ über ⟨n 100-9000⟩,⟨n 10-99⟩ €",
        "Facture F⟨n 19-29⟩⟨p ####⟩, avoir A⟨n 19-29⟩-⟨p ###⟩",
        "Faktura FV/⟨n 1-12⟩/⟨n 2015-2029⟩/⟨p ####⟩ została zapłacona.",
        "Credit note CN⟨p #####⟩ replaces line ⟨n 2-30⟩; cost centre ⟨n 1000-9999⟩, account ⟨n 1000-9999⟩.",
        "Fattura n. ⟨n 10-900⟩/⟨n 15-29⟩ del ⟨t %d/%m/%Y⟩",
        "Счёт № ⟨n 100-9999⟩ от ⟨t %d.%m.%Y⟩ не оплачен.",
    ),
    "tickets": any_of(
        "INC00⟨p #####⟩ is a duplicate of INC00⟨p #####⟩.",
        "See ⟨w OPS|DATA|WEB|SHOP⟩-⟨n 10-9999⟩ and the ⟨n 2-9⟩ comments below it.",
        "[#⟨n 1000-99999⟩] Re: label printer prints ⟨n 2-9⟩ blank pages",
        "Closes #⟨n 10-9999⟩, refs GH-⟨n 10-9999⟩, MR !⟨n 10-999⟩",
        "Vorgang ⟨n 10-99⟩-⟨p ####⟩/⟨n 19-29⟩ bitte an Stufe ⟨n 2-3⟩ geben.",
        "Change CHG⟨p 0######⟩ starts at ⟨t %H:%M⟩ and lasts ⟨n 2-9⟩ h.",
        "Queue position ⟨n 2-90⟩, ticket A⟨n 100-999⟩, counter ⟨n 1-20⟩",
    ),
    "articles": any_of(
        "SKU ⟨p ???-##-???⟩ is out of stock, SKU ⟨p ???-##-???⟩ is not.",
        "Art.-Nr. ⟨p *##.###.##⟩ passt nicht zu Gestell ⟨p *##.###.##⟩.",
        "Part no. ⟨p #?#-####-?⟩ supersedes ⟨p #?#-####-?⟩ (rev. ⟨w A|B|C⟩).",
        "Model ⟨p ??⟩-⟨n 100-9999⟩⟨w X|S|HD|-2⟩, colour code ⟨n 10-99⟩, drawer ⟨n 1-90⟩",
        "Ersatzteil ⟨p *# ## # ### ###⟩, Baujahr ⟨n 1999-2025⟩",
        "Lot L⟨p #####⟩⟨w A|B⟩, best before ⟨t %m/%Y⟩, ⟨n 6-48⟩ units",
        "réf. ⟨p ????⟩⟨n 10-99⟩, coloris ⟨n 1-40⟩, ⟨n 2-9⟩ pièces manquantes",
        "Toner ⟨w CF|CE|TN⟩-⟨n 200-2500⟩⟨w A|XL⟩, ⟨g 1000-12000⟩ pages at 5 %",
    ),
    "papers": any_of(
        "arXiv:⟨n 10-25⟩0⟨n 1-9⟩.0⟨p ####⟩v⟨n 1-5⟩, table ⟨n 1-9⟩, eq. (⟨n 2-40⟩)",
        "doi:10.1000/⟨p ?##.##⟩.⟨n 100-999⟩, vol. ⟨n 2-90⟩(⟨n 1-12⟩), pp. ⟨n 100-499⟩–⟨n 500-900⟩",
        "US patent ⟨n 6-11⟩,⟨p ###⟩,⟨p ###⟩ B⟨n 1-2⟩; EP ⟨n 1-3⟩ ⟨p ###⟩ ⟨p ###⟩ A1",
        "ISSN ⟨w 0378-5955|1234-5679|2434-561X⟩, no. ⟨n 2-90⟩, winter ⟨n 1990-2025⟩",
        "DIN EN ISO ⟨n 1000-19000⟩-⟨n 1-9⟩:⟨n 1999-2024⟩-0⟨n 1-9⟩ replaces DIN ⟨n 100-9000⟩.",
        "IEEE 802.11⟨w ac|ax|be⟩, USB 3.⟨n 0-2⟩ Gen ⟨n 1-2⟩×⟨n 1-2⟩, EN ⟨n 50000-62000⟩, IP⟨n 44-68⟩",
    ),
}
