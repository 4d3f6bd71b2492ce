"""Examples: stand-ins for the systems around Nightloom. No stage imports them."""
