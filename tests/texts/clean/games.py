"""Games: scores, results, chess moves (PGN, FEN), statistics of matches and e-sports, cards and dice."""

from .draw import Draw, Kind, any_of, one_of

TEAMS = "Lions|Eagles|Rovers|Harbour Town|Spain|Norway|Dynamo|the Reds|United"
MOVES = (
    ("e4", "e5"), ("Nf3", "Nc6"), ("Bb5", "a6"), ("d4", "exd4"), ("O-O", "Nf6"), ("Nc3", "d6"), ("Bxf7+", "Kxf7"),
    ("Qh5", "g6"), ("c4", "c5"), ("Re1", "O-O-O"), ("Rxe8+", "Kh7"), ("cxd5", "Qxd5"), ("g3", "Bg4"), ("h3", "Bh5"),
)  # fmt: skip


def chess(draw: Draw) -> str:
    first = draw.n(1, 30)
    moves = [
        f"{first + k}. {white} {black}" for k, (white, black) in enumerate(draw.random.sample(MOVES, draw.n(3, 7)))
    ]
    text = " ".join(moves)
    return draw.fill(
        draw.pick(
            text,
            f"White wins after {text}",
            f"{text} {{+⟨f 0-4.2⟩}} 1/2-1/2",
            f"Besser war {text} mit Vorteil (+⟨f 0-3.2⟩).",
            "FEN: r1bqkb1r/pppp1ppp/2n2n2/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R w KQkq - ⟨n 0-9⟩ ⟨n 2-40⟩",
            f"In round ⟨n 1-11⟩ board ⟨n 1-40⟩ saw {text}; rating change +⟨n 1-20⟩.",
        )
    )


def league(draw: Draw) -> str:
    lines = []
    template = draw.pick("{}. {}  {}  {}-{}-{}  {}  {}", "{} | {} | {} | {} | {} | {} | {} | {}")
    for place, team in enumerate(draw.random.sample(TEAMS.split("|"), draw.n(3, 5)), 1):
        won, drawn, lost, goals = draw.n(3, 20), draw.n(0, 9), draw.n(0, 12), draw.n(10, 80)
        row = (place, team, won + drawn + lost, won, drawn, lost, f"{goals}:{draw.n(8, 60)}", 3 * won + drawn)
        lines.append(template.format(*row))
    return "\n".join(lines)


KINDS: dict[str, Kind] = {
    "chess": chess,
    "league": league,
    "scores": any_of(
        f"⟨w {TEAMS}⟩ beat ⟨w {TEAMS}⟩ ⟨n 2-9⟩–⟨n 0-1⟩ (⟨n 0-1⟩–0) before ⟨n 1000-90000⟩ spectators.",
        "6-4, 3-6, 7-6(⟨n 2-9⟩), 6-⟨n 0-4⟩ in ⟨n 2-4⟩ h ⟨n 10-59⟩ min",
        "Endstand ⟨n 20-35⟩:⟨n 15-34⟩ (Halbzeit ⟨n 8-18⟩:⟨n 8-18⟩), ⟨n 2-9⟩ Siebenmeter",
        "Quarters: ⟨n 15-35⟩-⟨n 15-35⟩, ⟨n 15-35⟩-⟨n 15-35⟩, ⟨n 15-35⟩-⟨n 15-35⟩, final ⟨n 80-130⟩-⟨n 80-130⟩",
        "21-19, ⟨n 10-19⟩-21, 21-⟨n 5-19⟩; the next match is at ⟨t %H:%M⟩.",
        "⟨n 150-450⟩/⟨n 3-9⟩ declared (⟨n 60-120⟩.⟨n 1-5⟩ ov), target ⟨n 100-400⟩",
        "Victoire ⟨n 15-45⟩ à ⟨n 3-14⟩ au stade, ⟨n 3-6⟩ essais",
        "Ganaron por ⟨n 3-5⟩-⟨n 0-2⟩ en el minuto 90+⟨n 1-8⟩.",
        "東京⟨n 5-12⟩-⟨n 0-4⟩、⟨n 6-9⟩回裏、観客⟨n 10000-40000⟩人",
    ),
    "races": any_of(
        "Lap ⟨n 2-70⟩: 1:⟨n 10-59⟩.⟨n 100-999⟩ (+0.⟨n 100-999⟩), pit stop ⟨n 2-4⟩.⟨n 1-9⟩ s",
        "100 m in ⟨n 10-12⟩.⟨n 10-99⟩ s (+1.⟨n 1-9⟩ m/s), long jump ⟨n 6-8⟩.⟨n 10-95⟩ m",
        "Stage ⟨n 1-21⟩, ⟨f 100-230.1⟩ km, average ⟨f 35-48.2⟩ km/h, gap ⟨n 1-9⟩'⟨n 10-59⟩\"",
        "4x100 m relay: ⟨n 38-44⟩.⟨n 10-99⟩; start no. ⟨n 1-900⟩; heat ⟨n 1-8⟩, lane ⟨n 1-8⟩",
        "Swim ⟨n 20-59⟩:⟨n 10-59⟩, bike ⟨n 2-6⟩:⟨n 10-59⟩:⟨n 10-59⟩, run ⟨n 1-4⟩:⟨n 10-59⟩:⟨n 10-59⟩",
        "Squat 5x5 @ ⟨n 60-180⟩ kg, bench 3x⟨n 6-12⟩ @ ⟨n 40-120⟩ kg, rest 90 s",
    ),
    "e_sports": any_of(
        "K/D/A ⟨n 2-30⟩/⟨n 0-20⟩/⟨n 2-30⟩, CS ⟨n 100-400⟩ (⟨f 4-11.1⟩/min), ⟨f 8-25.1⟩k gold at ⟨n 20-50⟩:⟨n 10-59⟩",
        "Map 2: 13-⟨n 2-11⟩, ADR ⟨f 50-120.1⟩, HS ⟨n 20-70⟩ %, rating 1.⟨n 10-60⟩",
        "MMR ⟨n 1000-9000⟩ (+⟨n 10-40⟩), win rate ⟨f 40-70.1⟩%, ⟨n 100-999⟩W ⟨n 100-999⟩L",
        "⟨n 100-999⟩ DPS, crit ⟨n 5-60⟩%, item level ⟨n 200-660⟩, +⟨n 2-25⟩ key in ⟨n 20-40⟩:⟨n 10-59⟩",
        "Best of 5: 3:⟨n 0-2⟩ (⟨n 16-19⟩:14, 9:16, 16:⟨n 3-12⟩)",
        "⟨n 60-240⟩ FPS, ⟨n 5-90⟩ ms ping, tick ⟨w 64|128⟩, sens ⟨f 0-4.3⟩, ⟨w 400|800|1600⟩ dpi",
    ),
    "dice_and_cards": one_of(
        "Roll ⟨n 2-9⟩d⟨w 6|8|10|20⟩+⟨n 1-9⟩, AC ⟨n 11-22⟩, HP ⟨n 10-99⟩/⟨n 100-200⟩, DC ⟨n 10-20⟩",
        "A♠ K♠ Q♠ J♠ 10♠ beats ⟨n 2-9⟩♥ ⟨n 2-9⟩♦; pot ⟨n 100-9000⟩, blinds ⟨n 10-50⟩/⟨n 60-100⟩",
        "Lotto 6 aus 49: ⟨n 1-9⟩ ⟨n 10-15⟩ ⟨n 16-22⟩ ⟨n 23-30⟩ ⟨n 31-40⟩ ⟨n 41-49⟩, Superzahl ⟨n 0-9⟩",
        "EuroMillions: ⟨n 1-9⟩-⟨n 10-19⟩-⟨n 20-29⟩-⟨n 30-39⟩-⟨n 40-50⟩, stars ⟨n 1-5⟩-⟨n 6-12⟩",
        "Wordle ⟨n 200-1500⟩ ⟨n 2-6⟩/6, streak ⟨n 2-300⟩",
        "Sudoku row ⟨n 1-9⟩: ⟨n 1-9⟩ _ ⟨n 1-9⟩ | _ _ ⟨n 1-9⟩ | ⟨n 1-9⟩ _ _ , candidates ⟨n 12-19⟩ and ⟨n 23-29⟩",
        "Zug ⟨n 2-40⟩: ⟨n 2-90⟩ Punkte, doppelter Wortwert, Rest ⟨n 2-30⟩",
    ),
}
