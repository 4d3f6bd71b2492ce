"""Measures: units (SI and older ones), dimensions, places on Earth (ISO 6709, geohash, plus codes), chemistry."""

from .draw import ENGLISH, GERMAN, SPACED, Draw, Kind, any_of, one_of


def place_in_degrees(draw: Draw) -> str:
    lat, lon = draw.n(-899999, 899999) / 10000, draw.n(-1799999, 1799999) / 10000
    north, east = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
    return draw.pick(
        f"{abs(lat):.4f}° {north}, {abs(lon):.4f}° {east}",
        f"The buoy drifts at {lat:.4f}, {lon:.4f}.",
        f'{{"lat": {lat}, "lon": {lon}}}',
        f"POINT({lon:.6f} {lat:.6f})",
        f"Epicentre {abs(lat):.2f}{north} {abs(lon):.2f}{east}, depth {draw.n(3, 90)} km",
        f"geo:{lat:.5f},{lon:.5f};u={draw.n(5, 90)}",
        f"Mapa: {str(abs(lat)).replace('.', ',')}° {north}; {str(abs(lon)).replace('.', ',')}° {east}",
        f"lat={lat:.7f} lng={lon:.7f} alt={draw.n(2, 3900)}m",
    )


def place_in_minutes(draw: Draw) -> str:
    """ISO 6709 and its forms for people: degrees, minutes, seconds."""
    a, b, c = draw.n(0, 89), draw.n(0, 59), draw.n(0, 599)
    d, e, f = draw.n(0, 179), draw.n(0, 59), draw.n(0, 599)
    return draw.pick(
        f"{a}°{b:02}′{c / 10:04.1f}″N {d}°{e:02}′{f / 10:04.1f}″E",
        f"{a}° {b}' {c // 10}\" S, {d}° {e}' {f // 10}\" W",
        f"-{a:02}{b:02}{c // 10:02}+{d:03}{e:02}{f // 10:02}/",
        f"+{a:02}.{b:02}{c:03}+{d:03}.{e:02}{f:03}CRSWGS_84/",
        f"The wreck lies at {a}-{b:02}.{c}N {d:03}-{e:02}.{f}E in {draw.n(20, 300)} m of water.",
        f"Position {a}°{b:02},{c}′ N · {d:03}°{e:02},{f}′ O, Kurs {draw.n(0, 359):03}°",
    )


KINDS: dict[str, Kind] = {
    "place_in_degrees": place_in_degrees,
    "place_in_minutes": place_in_minutes,
    "grid_codes": any_of(
        "geohash ⟨w u33dc|9q8yy|gcpvj|dr5ru|xn76u⟩⟨w 0|1|2|c|f⟩⟨w b|k|m|z⟩",
        "The tile is z=⟨n 3-18⟩/x=⟨n 100-9999⟩/y=⟨n 100-9999⟩.",
        "Plus code 9F4MGC⟨n 22-99⟩+⟨w 2X|QR|V6|HJ⟩, grid square ⟨w JO62|JN58|FN31|PM95⟩⟨w qm|td|pr|wx⟩.",
        "UTM 33N ⟨n 200000-799999⟩ E ⟨n 5000000-5999999⟩ N",
        "MGRS ⟨n 10-59⟩U⟨p ??⟩ ⟨p *####⟩ ⟨p *####⟩, EPSG:⟨w 4326|3857|25832⟩",
        "H3 cell 8⟨p ~⟩1f1d4⟨p ~~~~~⟩fff at resolution ⟨n 5-9⟩.",
        "GK zone 3: R ⟨n 3400000-3599999⟩ H ⟨n 5300000-5999999⟩",
    ),
    "weights_and_lengths": any_of(
        "The crate weighs ⟨d 2-900.1⟩ kg and measures ⟨n 20-240⟩ × ⟨n 20-120⟩ × ⟨n 20-90⟩ cm.",
        "Cut ⟨n 3-30⟩ boards to ⟨d 20-250.1⟩cm, ⟨n 12-40⟩mm thick.",
        "⟨n 4-7⟩ ft ⟨n 1-11⟩ in is about ⟨n 122-240⟩ cm; ⟨n 1-9⟩' ⟨n 1-11⟩\" would be too short.",
        "Load: ⟨g 1000-40000⟩ lbs (⟨g 454-18144⟩ kg)",
        "Tolerance ±0.0⟨n 1-9⟩ mm, diameter ⌀⟨n 4-60⟩ mm, thread M⟨n 3-24⟩×1.⟨n 1-5⟩",
        "⟨d 1-40.2⟩ mi ≈ ⟨d 2-64.3⟩ km, ⟨n 200-900⟩ yd = ⟨n 180-830⟩ m",
        "Dose: ⟨n 2-20⟩ mg/kg every ⟨n 4-12⟩ h, at most ⟨n 1-4⟩ g/d, syringe of 2.5 ml.",
    ),
    "electric_and_physical": any_of(
        "Fuse ⟨n 2-32⟩ A, 230 V~ 50/60 Hz, max. ⟨n 500-3600⟩ W, ⟨n 100-900⟩ µF",
        "At ⟨n 15-35⟩ °C and ⟨n 950-1040⟩ hPa the sensor reads ⟨f 0-5.3⟩ V.",
        "c = 299792458 m/s, h = 6.62607015e-34 J·s, k = 1.380649e-23 J/K (trial ⟨n 2-900⟩)",
        "λ = ⟨n 380-750⟩ nm, f = ⟨n 400-790⟩ THz, E = ⟨f 1-4.4⟩ eV",
        "Battery 3.7 V ⟨g 1000-20000⟩ mAh (⟨f 3-74.1⟩ Wh), charges at 5V/2.4A.",
        "Wind ⟨n 5-90⟩ kn from ⟨n 100-359⟩°, gusts ⟨n 30-120⟩ km/h, visibility ⟨n 1-9⟩ NM",
        "Signal −⟨n 40-110⟩ dBm, SNR ⟨n 3-40⟩ dB, channel ⟨n 1-13⟩ (2.4⟨n 10-72⟩ GHz)",
        "⟨f 1-9.2⟩ kWh/100 km in town, ⟨n 90-170⟩ g CO₂/km",
    ),
    "measures_with_comma": any_of(
        "Das Paket wiegt ⟨d 1-31.3⟩ kg und ist ⟨n 20-120⟩ cm × ⟨n 20-60⟩ cm × ⟨n 10-60⟩ cm groß.",
        "Die Wohnung hat ⟨d 30-180.2⟩ m² und eine Deckenhöhe von ⟨d 2-4.2⟩ m.",
        "Verbrauch: ⟨d 3-12.1⟩ l/100 km, Tank ⟨n 35-80⟩ l, Reichweite ⟨g 500-1400⟩ km.",
        "Bohrtiefe ⟨g 1000-9000⟩ m bei ⟨d 20-180.1⟩ °C",
        "Man nehme ⟨n 100-900⟩ g Mehl, ¼ l Milch, ⟨n 2-6⟩ Eier und backe ⟨n 20-60⟩ Min. bei ⟨n 150-230⟩ °C.",
        "Schraube DIN 931 M⟨n 6-24⟩ x ⟨n 20-200⟩, Festigkeit 8.8, VE ⟨n 10-500⟩ Stück",
        style=GERMAN,
    ),
    "measures_with_blank": any_of(
        "Le colis pèse ⟨d 1-30.2⟩ kg et mesure ⟨n 20-90⟩ x ⟨n 20-90⟩ x ⟨n 10-40⟩ cm.",
        "Altitude : ⟨g 1000-4800⟩ m ; dénivelé : ⟨g 1000-3000⟩ m ; distance : ⟨d 5-42.1⟩ km.",
        "Działka ma ⟨g 1000-9900⟩ m², a dom ⟨d 80-300.1⟩ m².",
        "Длина трубы ⟨d 1-12.2⟩ м, масса ⟨g 1000-9000⟩ кг, давление ⟨d 1-16.1⟩ МПа.",
        "Lägenheten är på ⟨n 30-140⟩ m², hyran ⟨g 6000-18000⟩ kr, våning ⟨n 1-9⟩.",
        style=SPACED,
    ),
    "sizes": any_of(
        "Shoe size EU ⟨n 35-48⟩ / UK ⟨n 3-13⟩.5 / US ⟨n 4-14⟩",
        "Shirt ⟨w S|M|L|XL|XXL⟩, collar ⟨n 37-46⟩, jeans W⟨n 28-40⟩/L⟨n 30-36⟩",
        "Tyre ⟨n 155-265⟩/⟨n 35-70⟩ R⟨n 14-20⟩ ⟨n 80-105⟩⟨w H|V|W|T⟩",
        "A⟨n 2-5⟩ paper, 80 g/m², ⟨n 100-500⟩ sheets; envelope C⟨n 4-6⟩",
        '⟨n 24-65⟩" screen, 3840×2160 at ⟨w 60|120|144⟩ Hz, 16:9, ⟨n 250-900⟩ cd/m²',
        "Ring size ⟨n 48-66⟩, bed 160x200, rug ⟨n 120-240⟩ x ⟨n 170-340⟩ cm",
        "Größe ⟨n 36-52⟩ fällt klein aus, bitte ⟨n 38-54⟩ bestellen. Artikel in ⟨w Blau|Rot|Grau⟩.",
        "⟨n 2-128⟩ GB RAM, ⟨n 256-990⟩ GB SSD, ⟨n 2-9⟩.⟨n 0-9⟩ GHz, ⟨n 4-64⟩ cores",
        style=ENGLISH,
    ),
    "chemistry": any_of(
        "2 H₂ + O₂ → 2 H₂O, ΔH = −⟨f 100-900.1⟩ kJ/mol",
        "C6H12O6 + 6 O2 -> 6 CO2 + 6 H2O yields ⟨n 2-40⟩ mol ATP",
        "Dissolve ⟨f 1-90.2⟩ g NaCl (58.44 g/mol) in ⟨n 100-900⟩ mL, c = ⟨f 0-4.3⟩ mol/L.",
        "pH ⟨n 2-12⟩.⟨n 1-9⟩, pKa 4.76, [H+] = 1.⟨n 1-9⟩e-⟨n 3-11⟩",
        "²³⁵U + n → ¹⁴¹Ba + ⁹²Kr + 3 n; half-life of ¹⁴C: 5730 ± ⟨n 20-60⟩ a",
        "CAS ⟨w 64-17-5|7732-18-5|50-00-0|67-64-1|7647-14-5⟩, purity ≥ 99.⟨n 1-9⟩ %",
        "Fe2(SO4)3·⟨n 2-9⟩H2O, M = ⟨f 300-600.2⟩",
        "Lipid 18:⟨n 1-3⟩(9Z,12Z), m/z ⟨f 200-900.4⟩ [M+H]⁺, retention ⟨f 2-30.2⟩ min",
        "SMILES: CC(=O)OC1=CC=CC=C1C(=O)O; yield ⟨n 40-98⟩ %",
    ),
    "genes_and_stars": any_of(
        "chr⟨n 1-22⟩:⟨g 10000-99999999⟩ (⟨n 2-90⟩ kb deleted), GRCh38, variant rs⟨n 1000-9999999⟩",
        "ATG⟨w GCC|AAA|TTC⟩GA⟨w TC|CA⟩TAA, primer ⟨n 18-25⟩ nt, Tm ⟨n 52-65⟩ °C",
        "NGC ⟨n 100-7800⟩ at RA ⟨n 10-23⟩h ⟨n 10-59⟩m ⟨f 10-59.1⟩s, Dec +⟨n 10-60⟩° ⟨n 10-59⟩′, mag ⟨f 6-14.1⟩",
        "HD ⟨n 10000-359000⟩ is ⟨f 4-900.1⟩ ly away; z = 0.⟨n 100-999⟩",
        "c.⟨n 100-4000⟩⟨w A>G|C>T|delG⟩ (p.⟨w Arg|Gly|Leu⟩⟨n 20-900⟩⟨w Ter|His|Pro⟩)",
        "JD 24⟨n 50000-60999⟩.5 corresponds to ⟨t %Y-%m-%d⟩.",
    ),
    "ratios": one_of(
        "Mix cement and sand 1:⟨n 3-6⟩, water ratio 0.⟨n 4-6⟩⟨n 0-9⟩.",
        "The gearbox has a ratio of ⟨n 10-60⟩:⟨n 5-9⟩, the map a scale of 1:⟨w 25 000|50,000|100000|5.000⟩ (sheet ⟨n 10-99⟩).",
        "Signal to noise is ⟨n 10-99⟩:1, aspect 21:9, compression ⟨n 8-12⟩.⟨n 1-9⟩:1 at sea level.",
        "The vote was ⟨n 200-400⟩ to ⟨n 100-199⟩ with ⟨n 2-30⟩ abstentions, or ⟨f 50-80.2⟩ %.",
        "Odds of ⟨n 5-90⟩/⟨n 1-4⟩, that is ⟨f 1-30.2⟩ in decimal odds.",
        "Two in ⟨n 3-9⟩ answered (⟨n 100-999⟩/⟨n 1000-4000⟩).",
        "Maßstab 1:⟨n 10-90⟩0, Steigung ⟨n 3-18⟩ %, Verhältnis ⟨n 2-9⟩ zu ⟨n 3-11⟩",
    ),
}
