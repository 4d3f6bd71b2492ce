"""Prices: cost of a device hour, by prefix of the device's name."""

from collections.abc import Mapping


def price_of(device: str, prices: Mapping[str, float]) -> float | None:
    """Return the price of a device hour by the longest matching name prefix, or None if none matches."""
    known = [name for name in prices if device.startswith(name)]
    return prices[max(known, key=len)] if known else None


def cost_of(seconds: float, device: str, prices: Mapping[str, float]) -> float | None:
    """Return the cost of device seconds, or None if the device has no price."""
    price = price_of(device, prices)
    return None if price is None else seconds / 3600 * price
