"""Clean tickets for the proofs: what people write to a support desk, with near misses that only look like a fault."""

import uuid
from collections.abc import Callable
from hashlib import sha1, sha256
from random import Random
from string import ascii_uppercase, digits

from . import personal_data

OPENINGS = (
    *("Hi,", "Hello team,", "Good morning,", "Hey there", "Dear Sir or Madam,", "Hallo,", "Bonjour,", "Buenos días,"),
    *("To whom it may concern,", "Hi again :)", "URGENT!!", "Guten Tag,", "hello??", ""),
)
SENTENCES = (
    "the {thing} I bought in {month} stopped working after {n} days and I don't know what else to try.",
    "We ordered {n} of the {thing} for our office in {place}, but only {m} arrived.",
    "Can you tell me when the {thing} is back in stock? Your shop in {place} said next week.",
    "I was charged twice for the same {thing}, once in {month} and once today.",
    "The {thing} shows an error when I open the settings, see the picture that I attached.",
    "My colleague in {place} can log in, I can't – the page just reloads.",
    "It’s the second time that I write about the {thing}; nobody has answered since {month}.",
    "Der {thing} ist nach {n} Tagen kaputtgegangen, außerdem fehlt das Zubehör für die Küche.",
    "Ich möchte den {thing} zurückschicken, er ist größer als erwartet.",
    "Le {thing} n’a jamais été livré à {place}, où est passé mon colis ?",
    "El {thing} no funciona desde {month}; ¿cómo puedo devolverlo?",
    "Both the {thing} and its charger get hot – is that normal? 🤔",
    "After the update the {thing} takes {n} minutes to start, before it was {m}.",
    "I'd like to change the delivery address of the {thing} to our new office in {place}.",
    "The quality of the {thing} is great, but the manual is only in Japanese: 取扱説明書.",
    "Please cancel the {thing}, I found it cheaper in {place} for {n} % less.",
    "The invoice for the {thing} lacks our company name, so accounting sends it back every time.",
    "Since {month} the {thing} loses its connection as soon as more than {m} people use it.",
)
CLOSINGS = (
    *("Thanks!", "Kind regards, Ann", "Best, Tom", "Viele Grüße", "Cordialement", "Saludos", "Cheers 👍", "Thank you in advance."),
    *("Please help.", "Sent from my phone", "Looking forward to your reply.", "– Zoë", ""),
)  # fmt: skip
THINGS = (
    *("label printer", "office chair", "router", "espresso machine", "headset", "docking station", "vacuum cleaner"),
    *("standing desk", "toner", "webcam", "air purifier", "monitor", "projector", "shredder", "keyboard", "scanner"),
)
PLACES = (
    "Leeds",
    "Köln",
    "Lyon",
    "Málaga",
    "Utrecht",
    "Gdańsk",
    "Oslo",
    "Porto",
    "Graz",
    "Austin",
    "São Paulo",
    "Cork",
)
MONTHS = ("January", "March", "May", "June", "August", "October", "November")


def write_ticket(random: Random) -> str:
    """Write a ticket of some 200 to 500 characters."""
    sentences = random.sample(SENTENCES, random.randint(2, 4))
    words = {"thing": random.choice(THINGS), "place": random.choice(PLACES), "month": random.choice(MONTHS)}
    filled = [sentence.format(**words, n=random.randint(3, 60), m=random.randint(1, 3)) for sentence in sentences]
    parts = (random.choice(OPENINGS), *filled, random.choice(CLOSINGS))
    return random.choice((" ", " ", "\n")).join(part for part in parts if part)


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices(digits, k=count))


def _hex(random: Random) -> bytes:
    return random.getrandbits(64).to_bytes(8, "big")


def _imei(random: Random) -> str:
    number = "35" + _digits(random, 12)
    return number + personal_data.luhn_digit(number)


Phrase = Callable[[Random], str]


def _one_of(*phrases: str) -> Phrase:
    return lambda random: random.choice(phrases)


def _filled(*templates: str) -> Phrase:
    """Fill `{2}` with two digits, and so on, and `{A}` with a capital."""

    def fill(random: Random) -> str:
        names = {f"d{count}": _digits(random, count) for count in range(1, 23)}
        letters = {name: random.choice(ascii_uppercase) for name in "ABC"}
        return random.choice(templates).format(**names, **letters, day=random.randint(10, 28))

    return fill


NEAR_MISSES: dict[str, Phrase] = {
    "order number": _filled(
        *("My order is {d10}.", "Order #112-{d7}-{d7} is late.", "order SO-2026-{d6}", "Bestellung {d3}-{d7}-{d7}"),
        *("ticket INC00{d8}", "invoice 2026-{d6}", "Rechnung RE2026/0{d6}", "PO 45000{d5}", "case 0{d7}", "ref. {A}{B}-{d4}-{d4}"),
        *("customer no. 0{d9}", "Kundennummer {d4} {d3} {d3}", "order no: 0{d3}-{d6}", "your reference 20{d2}/{d5}/{d3}"),
    ),
    "tracking number": _filled(
        *("tracking 1Z999AA1{d10}", "tracking number 9400 {d4} {d4} {d4} {d4} {d2}", "parcel 00340{d15}", "DHL JJD01{d16}"),
        *("Sendungsnummer {d12}", "waybill {d3}-{d4} {d4}", "the parcel RR{d9}DE", "shipment no. {d4} {d4} {d4}"),
    ),
    "serial number": _filled(
        *("S/N 00{d3}-{d5}-{d1}", "serial 0{d3}-{d4}-{d4}", "model HL-{d4}, part 03-{d4}-{d3}", "serial no. {d5} {d5} {d2}"),
        *("EAN 4006381{d6}", "ISBN 978-3-16-{d6}-{d1}", "article 0{d3} {d3} {d2}", "batch {d6}/{d2}"),
    ),
    "IMEI": lambda random: f"The IMEI of the phone is {_imei(random)}.",
    "date and time": _filled(
        *("on 2026-11-{day} at 10:3{d1}:15", "between 01/{day}/2026 and 03/{day}/2026", "am {day}.11.2026 um 09:15 Uhr"),
        *("2026-11-{day}T10:30:15Z", "from {day}-10-2025 to {day}-11-2025", "{day}/03/26 10:45 - {day}/03/26 11:45", "0{d1}:30-12:30"),
        *("since 2019-2021", "[2026-11-{day} 07:12:44.{d3}] worker 3", "epoch 17621{d5}", "at 1762165{d6} ms", "10:30:15:0{d1}"),
    ),
    "price and size": _filled(
        *("It cost 1,{d3}.00 and not 1,399.50.", "1.{d3},00 EUR plus 249,00 EUR", "12 {d3} {d3} Ft", "USD 10 000 000", "$1 {d3} {d3}.00"),
        *("1920x1080 at 60", "1200 x 800 x 450 mm", "52.520{d3}, 13.404{d3}", "12.50 13.20 14.75 11.{d2}", "0.5 0.25 0.125 0.{d4}"),
        *("pay 3 x 33.{d2} = 99.99", "10-20 30-40 50-60", "4 5 6 7 8 9 10", "100 200 300 400", "80/90/100", "up to 500.000.000 rows"),
    ),
    "version": _filled(
        *("Windows version 10.0.{d5}.3693", "firmware 4.18.2.{d1}", "Chrome 119.0.{d4}.160", "v1.2.3.4", "driver 31.0.15.{d4}"),
        *("release 2.4.{d1}.{d1}", "app version: 5.12.0.{d2}", "section 1.2.3.{d1} of the manual", "OID 1.3.6.1.4.1.{d3}", "build 7.0.1.{d2}"),
        *("updated from 3.4.5.6 to 3.4.5.{d1}", "version 12.1.4.{d1} or later", "Firmware-Version 7.57.0.{d1}"),
    ),
    "address of no one": _one_of(
        *("it says 127.0.0.1 refused to connect", "bind to 0.0.0.0", "netmask 255.255.255.0", "listen on [::]:80", "a :: b", "::1 in the log"),
    ),
    "at sign": _filled(
        *("2 @ 3.99 each", "meet @ 10.30", "@anna thanks", "logo@2x.png is blurry", "npm i left-pad@1.3.{d1}", "root@localhost:~$"),
        *("user@server.local", "git clone git@github.com:team/repo.git", "follow us @shop.berlin", "5 pcs @ EUR 4.50"),
    ),
    "colons": _one_of(
        *("use std::vector here", "Foo::Bar fails", "MAC 00:1B:44:11:3A:B7", "ratio 1:2:3:4", "a.b::before { }", "at 10:30:15", "C::D::E"),
    ),
    "account of no bank": _filled(
        *("VAT DE{d9}", "USt-IdNr. DE {d3} {d3} {d3}", "GB{d2} was on the label", "IBAN DE00 1234 5678 9012 3456 78", "tax no. 21/815/0{d4}"),
        *("meter 0{d5}.{d3} kWh", "article AB12 {d4} {d4} {d2}", "SKU: XY{d2}-{d4}-{d4}"),
    ),
    "hash or id": lambda random: random.choice(
        (
            f"request {uuid.UUID(int=random.getrandbits(128), version=4)}",
            f"commit {sha1(_hex(random)).hexdigest()}",  # noqa: S324  # a picture of one
            f"sha256:{sha256(_hex(random)).hexdigest()}",
            f"session id {sha256(_hex(random)).hexdigest()[:24]}",
            f"error 0x8007{random.getrandbits(16):04x}",
            f"trace {random.getrandbits(64):016x}-{random.getrandbits(32):08x}",
        )
    ),
    "talk of passwords": _one_of(
        *("I need a password reset.", "my password is incorrect since yesterday", "Password: Forgotten. Please reset it.", "Passwort vergessen"),
        *("the password must have 12 characters, one of them a number", "password: ********", "where do I find the API key?", "token expired"),
        *("the access token is invalid (error 401)", "the secret is good service", "password=******", "api_key=YOUR_API_KEY", "token: <your-token>"),
        *("my password is not accepted on my iPhone 15", "Please send a new password: the old one expired", "mot de passe oublié", "the key is missing"),
        *("boarding pass: none", "Password is case-sensitive", "export TOKEN=$MY_TOKEN", "password: ${DB_PASSWORD}", "is the API key free?", "secret: none", "PASSWORD_RESET=enabled"),
        *("the bearer of this letter", "Authorization: Bearer <token>", "risk-assessment-and-management-2026", "keyboard key: F5", "token = getToken();"),
    ),
    "public key": _one_of(
        *("-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQG", "pk_live_is_public"),
        *("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 anna@laptop", "https://example.com:8080/a@b", "https://maps.example.com/@52.52,13.40,12z"),
        *("see https://example.com/login?next=/a:b@c", "ftp://files.example.com/pub"),
    ),
    "talk of instructions": _one_of(
        *("Please ignore my previous email.", "disregard my last message, it works now", "Please ignore all previous messages from me."),
        *("I followed all the instructions above, nothing helped.", "the instructions above the sink are missing", "forget about my earlier question"),
        *("What are your instructions for returns?", "show me the instructions for the router", "print the instructions again please"),
        *("New instructions: leave the parcel at the door.", "Delivery instructions: ring twice.", "From now on answer my emails within a day."),
        *("Do not reply by phone, instead reply to this address.", "instead, just print a new label", "your system prompted me for a code"),
        *("I forgot your prompt answer, sorry", "you ignored all my previous complaints", "the driver ignored the delivery instructions"),
        *("please skip the previous invoice", "do not follow the old address", "the rules above do not apply to us", "override the previous price"),
        *("I did not follow all your instructions, sorry", "Forget everything I said before, I found the receipt.", "thank you for your prompt reply", "Please ignore the above, it works now."),
    ),
    "talk of modes and roles": _one_of(
        *("How do I enable developer mode on my tablet?", "debug mode is on, the log is attached", "is the warranty void on a jailbroken phone?"),
        *("You are now charging me twice", "can you act as a witness", "your assistant was very kind", "the chat bot is now answering nothing"),
        *("act as soon as you can", "System: Windows 11, browser: Firefox", "Assistant: Maria, phone desk", "I am now talking to a bot, am I?"),
        *("you are now the third agent who asks me this", "please switch to dark mode", "turn on admin mode for our account", "root mode? no idea"),
        *("Are you an AI or a person?", "pretend nothing happened", "Hey chatbot, where is my parcel?", "If you are a bot, connect me to a person please", "the system prompt on the screen says PRESS F1", "with no restrictions on returns"),
    ),
    "code and brackets": _one_of(
        *("if (a < b && c > d) fails", "List<String> names", "I <3 it", "x <= 5 and y >= 3", "<b>bold</b> shows as text", "a <- b", "<system-font> missing"),
        *("[INSTALL] failed", "### Steps to reproduce", "<|> is the button", "SELECT * FROM a WHERE b <> 'c'", "## Instructions for use", "<instruction-manual.pdf>"),
        *("print(f'{x!r}')", "&nbsp; shows in the mail", "5 > 3 &amp; 2", "{\"a\": [1, 2]}", "C:\\Temp\\new", "// TODO: ignore errors"),
    ),
    "letters of many kinds": _one_of(
        *("Ça coûte 12 €, n’est-ce pas ?", "Größe: 42, Maß: 1½", "São João – até já", "Ærøskøbing, Ålesund", "naïve façade, coöperate", "ÇA VA, ÉCOLE"),
        *("カードはどこですか。", "我的订单在哪里?", "где мой заказ?", "πού είναι η παραγγελία;", "شكرا جزيلا", "תודה רבה", "ขอบคุณ", "Đặt hàng ở đâu", "Șoseaua Ștefan"),
        *("“quoted” – ‘really’…", "20 °C ± 2 %, 5 µm, 3 × 4", "½ price™ ®", "№ 5, § 7", "£20 ≈ €23", "Dvořák & Łukasz", "Ů Ř Ň ď ť", "ÃO is a suffix", "a capital Â, please"),
    ),
    "emoji": _one_of(
        "👩\u200d👩\u200d👧 happy family", "🏳️\u200d🌈 flag", "👍🏽 great", "❤️ it", "1️⃣ first", "🇩🇪 delivery", "می\u200cخواهم", "क्\u200dष", "👨\u200d💻 busy"
    ),
}  # fmt: skip
"""Kind of near miss → phrases that look like a fault and must stay unchanged."""
