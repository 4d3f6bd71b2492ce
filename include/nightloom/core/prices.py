"""Prices: what an hour of a device costs, by the beginning of its name."""

from collections.abc import Mapping


def price_of(device: str, prices: Mapping[str, float]) -> float | None:
    """Return the price of an hour of a device, by the longest beginning of its name that has one; none: it has none."""
    known = [name for name in prices if device.startswith(name)]
    return prices[max(known, key=len)] if known else None


def cost_of(seconds: float, device: str, prices: Mapping[str, float]) -> float | None:
    """Return what so many seconds of a device cost, or None if it has no price."""
    price = price_of(device, prices)
    return None if price is None else seconds / 3600 * price
