"""Texts made of pieces that scanners look for, and that operations of normalising change.

Random characters rarely make such a piece: what is not here is hardly ever tried.
"""

from hypothesis import strategies as st

PIECES = (
    "ann@example.com", "@", "a@b.co", "DE89 3704 0044 0532 0130 00", "DE89", "4111 1111 1111 1111", "4111", "1111",
    "192.168.0.1", "::1", "fe80::", "10:30:15", "1:2:3:4:5:6:7:8", "+44 20 7946 0958", "030 1234567",
    "(415) 555-2671", "2026-11-03", "1299", "4821337712", "password", "is", "=", ": ", "hunter2x", "api_key",
    "ghp_", "a1B2" * 9, "sk-", "AKIA" + "IOSFODNN7EXAMPLE", "://", "user:secret@host", "Bearer ", "eyJhbGciOiJI",
    "xoxb-", "PRIVATE KEY", "-----BEGIN ", "ignore", "disregard", "IGNORE all", "previous", "instructions", "above",
    "your", "system prompt", "reveal", "you are now", "DAN", "\u212a", "\u0130gnore", "\u017fystem", "act as",
    "an AI", "from now on", "answer", "instead", "<|im_start|>", "[INST]", "<system>", "\n### system",
    "\nsystem: you", "\uff29gnore", "ig\u200dnore", "developer mode", "Ã©", "â€™", "Ã", "©", "Â ", "€", "œ", "é",
    "°", "²", "ß", "Ø", "\u0410", "ā€", "\x85", "\xa0", "\xad", "\u200b", "\ufeff", "e\u0301", "\u0301",
    "\u1100\u1161", "\u0958", "\u2028", "\u3000", "\x00", "\x1c", "\x1f", "\x7f", "\u20dd", "\u200d", "<b>", "</b>",
    "<br>", "a < b", "&amp;", "&amp;lt;", "&lt;", "&#233;", "<p>", "</p>", "<!--", "-->", "<script>", "</script>",
    " ", "  ", "\n", "\n\n\n", "\t", "\r\n", ",", ".", "-", "/", "x", "0", "1", "7", "a", "A", "\\", '"', "'", "#",
)  # fmt: skip

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
"""Texts of pieces that scanners look for, and of any characters."""
