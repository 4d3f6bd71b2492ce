"""Times: dates, clock times, durations and ranges as countries write them (ISO 8601, RFC 3339, CLDR date formats)."""

from .draw import Draw, Kind, any_of, one_of

WEEKDAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
MONTHS = "January|February|March|April|June|July|August|September|October|November|December"


def recurrence(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            "RRULE:FREQ=WEEKLY;COUNT=⟨n 3-40⟩;BYDAY=⟨w MO|TU|WE|TH|FR⟩;UNTIL=⟨t %Y%m%dT%H%M%SZ⟩",
            "⟨n 0-59⟩ ⟨n 0-23⟩ ⟨w *|1|15|1-7⟩ ⟨w *|*/2|3⟩ ⟨w *|1-5|0,6⟩  # nightly",
            "OnCalendar=*-*-⟨w 01|15|28⟩ ⟨t %H:%M:%S⟩",
            "every ⟨n 2-12⟩ hours from ⟨t %H:%M⟩, next on ⟨t %d %b %Y⟩",
            "R⟨n 2-12⟩/⟨t %Y-%m-%dT%H:%M:%SZ⟩/P1⟨w D|W|M|Y⟩",
            "DTSTART;TZID=Europe/⟨w Berlin|Rome|Oslo⟩:⟨t %Y%m%dT%H%M%S⟩",
        )
    )


KINDS: dict[str, Kind] = {
    "recurrence": recurrence,
    "iso_dates": any_of(
        "⟨t %Y-%m-%dT%H:%M:%SZ⟩",
        "The job ran on ⟨t %Y-%m-%d⟩ at ⟨t %H:%M:%S⟩.⟨n 100-999⟩ UTC.",
        "⟨t %Y-%m-%dT%H:%M:%S⟩+0⟨n 1-9⟩:00 is what the header says.",
        "⟨t %Y%m%d⟩ and ⟨t %Y-W%V⟩ and ⟨t %Y-%j⟩ are three ways to write a day.",
        "from ⟨t %Y-%m-%d⟩ to ⟨t %Y-%m-%d⟩ (both included)",
        "P⟨n 1-9⟩Y⟨n 1-11⟩M⟨n 1-29⟩DT⟨n 1-23⟩H⟨n 1-59⟩M",
        "⟨t %Y-%m-%d⟩/⟨t %Y-%m-%d⟩",
    ),
    "epoch_seconds": one_of(
        "iat 1⟨n 500000000-790000000⟩, exp 1⟨n 791000000-890000000⟩",
        "mtime=1⟨n 500000000-790000000⟩.⟨n 100000-999999⟩",
        "1⟨n 500000000000-790000000000⟩ ms since 1970 is a day in ⟨t %B %Y⟩",
        '{"ts": 1⟨n 500000000-790000000⟩, "value": ⟨f 1-90.3⟩, "unit": "K"}',
        "date -d @1⟨n 500000000-790000000⟩ prints ⟨t %a %b %d %H:%M:%S⟩ UTC ⟨t %Y⟩",
    ),
    "german_dates": any_of(
        "Liefertermin ist der ⟨t %d.%m.%Y⟩, spätestens der ⟨n 1-28⟩.⟨n 1-12⟩.",
        "Am ⟨n 1-28⟩. ⟨w Januar|Februar|März|Mai|Juni|Juli|Oktober|Dezember⟩ ⟨n 1990-2031⟩ um ⟨t %H:%M⟩ Uhr.",
        "KW ⟨n 1-52⟩/⟨n 2019-2031⟩, Mo.–Fr. 8–1⟨n 2-8⟩ Uhr, Sa. 9.30–13.00 Uhr",
        "vom ⟨n 1-14⟩.–⟨n 15-28⟩. ⟨w Mai|Juli|August⟩, Anreise ab ⟨n 14-17⟩:00 Uhr",
        "Stand: ⟨t %d.%m.%y⟩, ⟨t %H.%M⟩ Uhr; gültig bis 31.12.⟨n 2024-2034⟩",
        "Die Frist läuft vom ⟨t %d.%m.%Y⟩ bis zum ⟨t %d.%m.%Y⟩ (⟨n 5-90⟩ Tage).",
    ),
    "american_dates": any_of(
        "Due ⟨t %m/%d/%Y⟩ by ⟨n 1-12⟩:⟨n 10-59⟩ p.m. EST.",
        f"⟨w {WEEKDAYS}⟩, ⟨w {MONTHS}⟩ ⟨n 1-28⟩, ⟨n 1990-2032⟩ at ⟨n 1-12⟩ AM",
        "Q⟨n 1-4⟩ FY⟨n 18-32⟩ closed on ⟨t %m-%d-%Y⟩; the next call is ⟨t %m/%d/%y⟩.",
        f"The deadline moved from ⟨w {MONTHS}⟩ ⟨n 1-28⟩ to ⟨w {MONTHS}⟩ ⟨n 1-28⟩.",
        "Open ⟨t %I:%M %p⟩ to ⟨t %I:%M %p⟩ ET (GMT-5).",
        "Valid until ⟨n 10-12⟩/⟨n 25-34⟩, issued ⟨t %m/%y⟩.",
    ),
    "british_dates": any_of(
        f"⟨n 4-20⟩th ⟨w {MONTHS}⟩ ⟨n 1990-2032⟩, half past ⟨w two|six|nine⟩",
        "The hearing was on ⟨t %d/%m/%Y⟩ at ⟨t %H.%M⟩; minutes follow by ⟨t %d-%b-%Y⟩.",
        f"⟨w {WEEKDAYS}⟩ ⟨n 1-28⟩ ⟨w {MONTHS}⟩, doors 7.⟨n 10-55⟩pm, ends at 10.⟨n 10-55⟩pm",
        "Week commencing ⟨t %d/%m/%y⟩, term ⟨n 1-3⟩ of ⟨n 2015-2030⟩/⟨n 16-31⟩",
        "Best before ⟨t %d %m %Y⟩, packed ⟨t %d %b %y⟩, batch ⟨n 100-999⟩",
    ),
    "dates_of_the_world": one_of(
        "le ⟨n 2-28⟩ ⟨w janvier|février|avril|août|décembre⟩ ⟨n 1990-2032⟩ à ⟨n 8-20⟩ h ⟨n 10-55⟩",
        "el ⟨n 2-28⟩ de ⟨w enero|marzo|julio|octubre⟩ de ⟨n 1990-2032⟩, a las ⟨t %H:%M⟩ h",
        "il ⟨n 2-28⟩ ⟨w gennaio|maggio|luglio|ottobre⟩ ⟨n 1990-2032⟩, ore ⟨t %H.%M⟩",
        "⟨n 2-28⟩ ⟨w stycznia|lutego|maja|lipca|grudnia⟩ ⟨n 1990-2032⟩ r., godz. ⟨t %H:%M⟩",
        "⟨n 2-28⟩ ⟨w января|марта|июля|октября⟩ ⟨n 1990-2032⟩ г., ⟨t %H:%M⟩ МСК",
        "⟨n 1990-2032⟩年⟨n 1-12⟩月⟨n 1-28⟩日(⟨w 月|火|水|木|金⟩)⟨n 9-18⟩時⟨n 10-59⟩分",
        "令和⟨n 2-9⟩年⟨n 1-12⟩月⟨n 1-28⟩日から⟨n 2-90⟩日間",
        "⟨n 1990-2032⟩년 ⟨n 1-12⟩월 ⟨n 1-28⟩일 오후 ⟨n 1-11⟩시 ⟨n 10-59⟩분",
        "⟨n 1990-2032⟩-⟨n 10-12⟩-⟨n 10-28⟩ 星期⟨w 一|三|五⟩ 上午⟨n 8-11⟩:⟨n 10-59⟩",
        "⟨n 2-28⟩ ⟨w يناير|مارس|يوليو|أكتوبر⟩ ⟨n 1990-2032⟩ الساعة ⟨n 1-12⟩:⟨n 10-59⟩ مساءً",
        "⟨n 2-28⟩ ב⟨w ינואר|מרץ|יולי|אוקטובר⟩ ⟨n 1990-2032⟩ בשעה ⟨t %H:%M⟩",
        "⟨n 2-28⟩ ⟨w जनवरी|मार्च|जुलाई|अक्टूबर⟩ ⟨n 1990-2032⟩ को सुबह ⟨n 6-11⟩:⟨n 10-59⟩ बजे",
        "⟨n 2-28⟩ ⟨w มกราคม|มีนาคม|กรกฎาคม|ตุลาคม⟩ พ.ศ. ⟨n 2540-2575⟩ เวลา ⟨t %H.%M⟩ น.",
        "⟨t %d.%m.%Y⟩. u ⟨t %H:%M⟩ sati, do ⟨n 2-28⟩. ⟨w siječnja|ožujka|srpnja⟩",
        "⟨t %Y. %m. %d.⟩ ⟨t %H:%M⟩ óra, ⟨n 1-52⟩. hét",
        "⟨t %d-%m-%Y⟩, ⟨n 9-20⟩.⟨n 10-55⟩ uur; ⟨n 2-28⟩ ⟨w maart|mei|augustus⟩",
    ),
    "ranges_of_years": any_of(
        "The archive covers ⟨n 1890-1949⟩-⟨n 1950-1989⟩ and ⟨n 1990-1999⟩–⟨n 2000-2025⟩.",
        "Copyright (c) ⟨n 1995-2010⟩-⟨n 2011-2030⟩ the contributors",
        "Seasons ⟨n 1998-2018⟩/⟨n 19-30⟩ to ⟨n 2020-2029⟩/30 are missing.",
        "In the ⟨n 18-20⟩th century, between ⟨n 1720-1790⟩ and ⟨n 1800-1890⟩, output rose ⟨n 2-9⟩-fold.",
        "ca. ⟨n 300-900⟩ BC – ⟨n 100-400⟩ AD (layer ⟨n 2-9⟩)",
        "Geschäftsjahre ⟨n 2008-2015⟩/⟨n 16-20⟩ bis ⟨n 2021-2029⟩, jeweils zum 30.06.",
        "Model years 20⟨n 10-15⟩-20⟨n 16-26⟩ (except 2013), pages ⟨n 100-400⟩-⟨n 401-900⟩.",
        "Années ⟨n 1950-1980⟩-⟨n 1981-2020⟩ : hausse de ⟨n 2-90⟩ %.",
    ),
    "clock_and_durations": any_of(
        "The run took ⟨n 1-9⟩h ⟨n 10-59⟩m ⟨n 10-59⟩s, the last one ⟨n 10-99⟩:⟨n 10-59⟩:⟨n 10-59⟩.",
        "Marathon 2:⟨n 10-59⟩:⟨n 10-59⟩, split 1:⟨n 10-20⟩:⟨n 10-59⟩.⟨n 1-9⟩",
        "Depart ⟨t %H:%M⟩, arrive ⟨t %H:%M⟩ (+1), layover ⟨n 45-180⟩ min",
        "⟨n 2-90⟩ days, ⟨n 10-23⟩:⟨n 10-59⟩:⟨n 10-59⟩.⟨n 100000-999999⟩",
        "p50 ⟨n 2-40⟩ ms, p99 ⟨n 100-900⟩ ms, timeout 30s after ⟨n 2-6⟩ retries",
        "00:0⟨n 1-9⟩:⟨n 10-59⟩,⟨n 100-999⟩ --> 00:1⟨n 0-9⟩:⟨n 10-59⟩,⟨n 100-999⟩",
        "ca. ⟨n 2-20⟩ bis ⟨n 21-60⟩ Minuten, d. h. 0,⟨n 1-9⟩ Std.",
    ),
    "opening_hours": one_of(
        "Mon-Fri ⟨n 7-10⟩:00-1⟨n 6-9⟩:30, Sat 10-1⟨n 2-6⟩, closed on Sundays",
        "Mo-Fr 0⟨n 7-9⟩:00-12:00,13:00-1⟨n 6-9⟩:00; Sa 0⟨n 8-9⟩:00-1⟨n 2-5⟩:00; PH off",
        "Öffnungszeiten: Mo., Di. u. Do. ⟨n 8-10⟩:30–12:⟨n 10-55⟩ und 14:00–1⟨n 6-9⟩:00 Uhr",
        "Ouvert du mardi au samedi de ⟨n 8-10⟩h30 à 12h⟨n 10-50⟩ et de 14h à 1⟨n 7-9⟩h",
        "Lunes a viernes de ⟨n 9-10⟩:00 a 14:⟨n 10-45⟩ y de 17:00 a 2⟨n 0-2⟩:30",
        "営業時間 ⟨n 9-11⟩:00~2⟨n 0-2⟩:⟨w 00|30⟩(ラストオーダー⟨n 19-20⟩:⟨n 10-50⟩)",
        "영업시간 평일 0⟨n 8-9⟩:⟨n 10-30⟩-1⟨n 7-9⟩:00, 점심 12:00-13:00",
        "Пн–Пт 0⟨n 8-9⟩:00–1⟨n 7-9⟩:⟨w 00|30|45⟩, обед 13:00–14:00",
        "The desk answers from 0⟨n 6-9⟩00 to 2⟨n 0-2⟩⟨n 10-45⟩ hrs, kitchen until ⟨n 8-10⟩ pm.",
        "lun-ven ⟨n 8-9⟩.30-12.⟨n 10-45⟩ / 15.00-19.⟨w 00|30⟩, dom. chiuso",
        "營業時間:週一至週五 ⟨n 9-10⟩:00–18:⟨n 10-45⟩",
    ),
}
