"""References: laws, scripture, pages, flights, trains, rooms, statistics: numbers that point at things."""

from .draw import ENGLISH, GERMAN, SPACED, Draw, Kind, any_of, one_of


def headings(draw: Draw) -> str:
    chapter, lines = draw.n(1, 19), []
    form, is_list = draw.pick("{0}.{1}", "{0}.{1}.{2}", "§ {0}{1}", "({1})", "Art. {1}({2})"), draw.often()
    for section in range(1, draw.n(3, 6)):
        what = draw.pick("Scope", "Terms", "Delivery", "Warranty", "Liability", "Prices", "Maintenance", "Tests")
        mark = form.format(chapter, section, draw.n(1, 12))
        lines.append(f"{mark} {what}" + (f" {'.' * (30 - len(what))} {draw.n(2, 300)}" if is_list else ""))
    return "\n".join(lines)


KINDS: dict[str, Kind] = {
    "headings": headings,
    "laws": any_of(
        "Nach § ⟨n 2-900⟩ Abs. ⟨n 1-6⟩ Satz ⟨n 1-4⟩ Nr. ⟨n 1-9⟩ BGB i. V. m. §§ ⟨n 100-200⟩ ff. HGB",
        "Art. ⟨n 2-99⟩(⟨n 1-4⟩)(a) GDPR and recital ⟨n 10-170⟩ apply.",
        "⟨n 5-42⟩ U.S.C. § ⟨n 100-9000⟩(b)(⟨n 1-9⟩); ⟨n 100-600⟩ F.3d ⟨n 100-1300⟩ (9th Cir. ⟨n 1990-2020⟩)",
        "Urteil vom ⟨t %d.%m.%Y⟩ – ⟨w VIII|IX|XII⟩ ZR ⟨n 2-400⟩/⟨n 10-25⟩, Rn. ⟨n 2-60⟩",
        "l'article L. ⟨n 100-999⟩-⟨n 1-30⟩, alinéa ⟨n 1-5⟩, du code du travail",
        "el artículo ⟨n 2-300⟩.⟨n 1-4⟩ de la Ley ⟨n 2-50⟩/⟨n 1990-2024⟩, de ⟨n 2-28⟩ de julio",
        "Regulation (EU) ⟨n 2014-2025⟩/⟨n 100-2900⟩, OJ L ⟨n 2-400⟩, p. ⟨n 1-90⟩",
        "ст. ⟨n 2-400⟩ ч. ⟨n 1-5⟩ ТК РФ, п. ⟨n 1-30⟩ приказа № ⟨n 10-900⟩",
        "第⟨n 2-99⟩条第⟨n 1-5⟩項及び別表第⟨n 1-9⟩による。",
        "民法典第⟨n 100-1200⟩条第⟨n 1-3⟩款",
    ),
    "scripture": any_of(
        "Genesis ⟨n 1-50⟩:⟨n 1-20⟩-⟨n 21-30⟩; Psalm ⟨n 1-150⟩:⟨n 1-9⟩",
        "Röm ⟨n 1-16⟩,⟨n 1-20⟩f.; Offb ⟨n 1-22⟩,⟨n 1-9⟩; 1 Kor ⟨n 1-16⟩,⟨n 1-13⟩",
        "Ps ⟨n 1-150⟩, ⟨n 1-9⟩-⟨n 10-14⟩; Ex ⟨n 1-40⟩, ⟨n 1-20⟩",
        "سورة البقرة، الآية ⟨n 1-286⟩",
        "Surah ⟨n 2-114⟩:⟨n 1-90⟩, juz ⟨n 1-30⟩",
        "Exodus ⟨n 1-40⟩:⟨n 1-20⟩ is read on the ⟨n 2-5⟩th Sunday, hymn ⟨n 100-650⟩, verses 1-⟨n 3-6⟩.",
        "תהילים ⟨n 1-150⟩, פסוק ⟨n 1-20⟩",
        "भगवद्गीता ⟨n 1-18⟩.⟨n 1-40⟩, Iliad ⟨n 1-24⟩.⟨n 100-600⟩",
    ),
    "flights_and_trains": any_of(
        "Flight ⟨w LH|BA|AF|UA|NH|QR⟩⟨n 100-2990⟩ leaves at ⟨t %H:%M⟩ from gate ⟨w A|B|C⟩⟨n 1-60⟩, seat ⟨n 10-40⟩⟨w A|C|F⟩.",
        "ICE ⟨n 500-1600⟩ nach ⟨w Köln|Leipzig|Ulm⟩, Gleis ⟨n 1-24⟩, Wagen ⟨n 21-39⟩, Platz ⟨n 11-110⟩, +⟨n 5-90⟩ Min.",
        "TGV ⟨n 6000-9900⟩, voiture ⟨n 1-18⟩, place ⟨n 11-99⟩, voie ⟨n 1-20⟩",
        "Take bus ⟨n 2-300⟩ or the M⟨n 1-9⟩ for ⟨n 2-14⟩ stops (zone ⟨n 1-6⟩).",
        "のぞみ⟨n 1-99⟩号 ⟨n 1-16⟩号車⟨n 1-20⟩番⟨w A|D|E⟩席 ⟨t %H:%M⟩発",
        "Boeing 7⟨w 37|47|77|87⟩-⟨w 800|300|9⟩, FL⟨n 280-410⟩, Mach 0.⟨n 72-88⟩, QNH ⟨n 985-1035⟩",
        "METAR EDDF ⟨n 10-28⟩⟨n 10-23⟩50Z ⟨n 100-350⟩⟨n 10-30⟩KT 9999 FEW0⟨n 20-45⟩ ⟨n 10-30⟩/0⟨n 2-9⟩ Q10⟨n 10-30⟩",
        "Поезд № ⟨n 1-200⟩, вагон ⟨n 1-16⟩, место ⟨n 1-36⟩, отправление в ⟨t %H:%M⟩",
    ),
    "rooms_and_seats": any_of(
        "The meeting is in room ⟨w A|B|C⟩ ⟨n 1-4⟩.⟨n 10-49⟩, floor ⟨n 2-9⟩, at ⟨t %H:%M⟩.",
        "Raum ⟨n 1-4⟩-⟨n 100-480⟩, Gebäude ⟨n 10-99⟩, Schließfach ⟨n 1-900⟩",
        "Row ⟨n 1-40⟩, seats ⟨n 1-9⟩–⟨n 10-20⟩, block ⟨n 100-420⟩, entrance ⟨w N|E|S⟩⟨n 1-9⟩",
        "salle ⟨n 100-499⟩, ⟨n 2-5⟩e étage, badge n° ⟨n 100-999⟩",
        "Rack ⟨n 1-40⟩, unit ⟨n 1-42⟩, port ⟨n 1-4⟩/0/⟨n 1-48⟩, outlet ⟨n 1-24⟩",
        "⟨n 2-30⟩층 ⟨n 100-2900⟩호 회의실, ⟨n 2-40⟩명",
        "Exit ⟨n 1-90⟩, km ⟨n 10-300⟩,⟨n 1-9⟩ on the A⟨n 1-99⟩ towards junction ⟨n 1-60⟩",
    ),
    "populations": any_of(
        "The town had ⟨g 1000-990000⟩ inhabitants in ⟨n 1950-2020⟩ and ⟨g 1000-990000⟩ ten years later.",
        "World population passed ⟨n 2-8⟩ billion; growth fell to ⟨f 0-3.2⟩ %.",
        "Of ⟨g 1000-9000⟩ people asked, ⟨n 10-90⟩% agreed (±⟨n 1-4⟩.⟨n 1-9⟩ points).",
        "Density: ⟨g 1000-20000⟩ per km²; area ⟨d 10-999.2⟩ km²",
        "Turnout was ⟨f 40-90.1⟩ percent, ⟨g 100000-60000000⟩ votes in ⟨n 100-900⟩ districts.",
        "Unemployment: ⟨f 2-20.1⟩% in ⟨n 1990-2024⟩, ⟨f 2-20.1⟩% in ⟨n 1990-2024⟩",
        style=ENGLISH,
    ),
    "populations_with_point": any_of(
        "Die Stadt hat ⟨g 10000-3900000⟩ Einwohner auf ⟨d 20-890.2⟩ km².",
        "⟨g 1000-99000⟩ von ⟨g 100000-999000⟩ Befragten (⟨d 1-50.1⟩ %)",
        "La población creció de ⟨g 10000-990000⟩ a ⟨g 1000000-9900000⟩ habitantes.",
        "Nel ⟨n 1950-2024⟩ la regione contava ⟨g 100000-9900000⟩ abitanti.",
        "Nüfusu ⟨g 10000-990000⟩, yüzölçümü ⟨g 1000-9000⟩ km²",
        style=GERMAN,
    ),
    "populations_with_blank": any_of(
        "La ville compte ⟨g 10000-990000⟩ habitants, soit ⟨g 1000-9000⟩ hab./km².",
        "Население — ⟨g 10000-9900000⟩ чел., рост ⟨d 0-9.1⟩ %.",
        "Ludność: ⟨g 10000-1900000⟩, powierzchnia ⟨d 10-900.2⟩ km²",
        "Folkmängden var ⟨g 10000-990000⟩ den 31 december ⟨n 1990-2024⟩.",
        style=SPACED,
    ),
    "pages_and_lines": one_of(
        "See p. ⟨n 2-900⟩, l. ⟨n 1-40⟩, and fig. ⟨n 1-20⟩⟨w a|b|c⟩; cf. ch. ⟨w IV|IX|XII⟩.",
        "vgl. S. ⟨n 100-400⟩–⟨n 401-900⟩, Anm. ⟨n 1-99⟩, Bd. ⟨n 1-9⟩/2",
        "Exercise ⟨n 1-20⟩.⟨n 1-40⟩ (c), solution on page ⟨n 100-900⟩",
        "Act ⟨n 1-5⟩, scene ⟨n 1-7⟩, lines ⟨n 1-99⟩–⟨n 100-300⟩",
        "Op. ⟨n 1-130⟩ No. ⟨n 1-6⟩ in ⟨w C minor|D major|E-flat⟩, bars ⟨n 1-90⟩-⟨n 91-300⟩, ♩ = ⟨n 60-180⟩",
        "S⟨p 0*⟩E⟨n 10-24⟩, from ⟨n 10-20⟩:⟨n 10-59⟩ to ⟨n 21-50⟩:⟨n 10-59⟩, 1080p",
        "第⟨n 1-30⟩章第⟨n 1-9⟩节,见第⟨n 10-900⟩页",
        "Рис. ⟨n 1-30⟩, табл. ⟨n 1-9⟩, с. ⟨n 10-300⟩–⟨n 301-900⟩",
    ),
}
