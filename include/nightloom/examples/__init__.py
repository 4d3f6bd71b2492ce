"""Examples: stand-ins for the systems that a team has around Nightloom. No stage imports them."""
