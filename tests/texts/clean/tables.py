"""Tables: tab-separated, comma-separated, markdown, drawn with characters, LaTeX, and as lists of keys and values."""

from .draw import ENGLISH, GERMAN, PLAIN, SPACED, Draw, Kind, write_number

PRODUCTS = (
    "chair",
    "lamp",
    "desk",
    "shelf",
    "toner",
    "cable",
    "router",
    "Stuhl",
    "Lampe",
    "chaise",
    "mesa",
    "стол",
    "机",
)
PLACES = ("Oslo", "Leeds", "Lyon", "Porto", "Graz", "Köln", "Gdańsk", "Osaka", "Busan", "Cairo", "Lima", "Pune")


def rows_of_products(draw: Draw) -> list[tuple[str, ...]]:
    style, rows = (
        draw.pick(ENGLISH, GERMAN, SPACED, PLAIN),
        [draw.pick(("item", "qty", "price"), ("Artikel", "Menge", "Preis"))],
    )
    for product in draw.random.sample(PRODUCTS, draw.n(2, 5)):
        rows.append((product, str(draw.n(1, 400)), write_number(draw.n(199, 999_999), 2, style)))
    return rows


def rows_of_places(draw: Draw) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("place", "date", "°C", "mm", "hPa")]
    form = draw.pick("%Y-%m-%d", "%d.%m.%Y", "%d %b")
    for place in draw.random.sample(PLACES, draw.n(2, 5)):
        day = draw.moment().strftime(form)
        rows.append((place, day, f"{draw.n(-200, 400) / 10:.1f}", str(draw.n(0, 90)), str(draw.n(960, 1045))))
    return rows


def rows_of_numbers(draw: Draw) -> list[tuple[str, ...]]:
    width = draw.n(3, 6)
    return [tuple(str(draw.n(10**k, 10 ** (k + 2))) for k in range(width)) for _ in range(draw.n(3, 6))]


def any_rows(draw: Draw) -> list[tuple[str, ...]]:
    return draw.pick(rows_of_products, rows_of_places, rows_of_numbers)(draw)


def tabs(draw: Draw) -> str:
    return "\n".join("\t".join(row) for row in any_rows(draw))


def csv(draw: Draw) -> str:
    mark = draw.pick(";", ";", "|")
    return "\n".join(mark.join(row) for row in any_rows(draw))


def markdown(draw: Draw) -> str:
    head, *rows = any_rows(draw)
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def drawn(draw: Draw) -> str:
    rows = any_rows(draw)
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    body = [
        "| " + " | ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([rule, body[0], rule, *body[1:], rule])


def columns(draw: Draw) -> str:
    rows, width = any_rows(draw), draw.pick(12, 14)
    return "\n".join(f"{row[0]:<{width}}" + "".join(f"{cell:>{width}}" for cell in row[1:]) for row in rows)


def latex(draw: Draw) -> str:
    return "\n".join(" & ".join(row) + r" \\" for row in any_rows(draw))


def html(draw: Draw) -> str:
    rows = ("".join(f"<td>{cell}</td>" for cell in row) for row in any_rows(draw))
    return "<table>\n" + "\n".join(f"  <tr>{row}</tr>" for row in rows) + "\n</table>"


def keys_and_values(draw: Draw) -> str:
    lines = [
        "Width: ⟨n 20-240⟩ cm", "Weight: ⟨f 1-90.1⟩ kg", "Warranty: ⟨n 2-10⟩ years", "Colour: #⟨p ~~~~~~⟩",
        "Power: ⟨n 20-2200⟩ W", "Price: ⟨d 10-9000.2⟩", "Batch: ⟨p ??-####⟩", "Built: ⟨t %Y-%m⟩", "Noise: ⟨n 20-80⟩ dB(A)",
        "Version: ⟨n 1-9⟩.⟨n 0-20⟩.⟨n 0-9⟩", "Pages: ⟨n 10-900⟩", "Scale: 1:⟨n 10-90⟩00",
    ]  # fmt: skip
    mark = draw.pick("", "- ", "* ", "• ")
    return "\n".join(mark + draw.fill(line) for line in draw.random.sample(lines, draw.n(3, 6)))


def timetable(draw: Draw) -> str:
    lines, minute, form = [], draw.n(300, 900), draw.pick("{:02}:{:02}  {}", "{:02}.{:02} {}", "{:02}{:02} {}")
    for stop in draw.random.sample(PLACES, draw.n(3, 5)):
        lines.append(form.format(minute // 60, minute % 60, stop))
        minute += draw.n(4, 70)
    return "\n".join(lines)


KINDS: dict[str, Kind] = {
    "tabs": tabs,
    "csv": csv,
    "markdown": markdown,
    "drawn": drawn,
    "columns": columns,
    "latex": latex,
    "html": html,
    "keys_and_values": keys_and_values,
    "timetable": timetable,
}
