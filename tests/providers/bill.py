"""What a provider puts on the invoice: prices, and one charge per piece of work."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens: prompt, reply, and the part of the prompt that was cached."""

    per_in: float = 100.0
    per_out: float = 400.0
    per_cached: float | None = None

    def dollars(self, tokens_in: int, tokens_out: int, cached: int = 0) -> float:
        """The charge for so many tokens; ``cached`` are among ``tokens_in``."""
        cheap = self.per_in if self.per_cached is None else self.per_cached
        whole = (tokens_in - cached) * self.per_in + cached * cheap + tokens_out * self.per_out
        return whole / 1e6


@dataclass(frozen=True)
class Charge:
    """One line of the invoice. ``delivered``: the client got the whole reply; ``usable``: and it
    was one with text."""

    number: int
    prompt: str
    tokens_in: int
    tokens_out: int
    dollars: float
    delivered: bool = True
    usable: bool = True


@dataclass
class Bill:
    """The invoice."""

    charges: list[Charge] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, charge: Charge) -> None:
        """Note a charge."""
        with self._lock:
            self.charges.append(charge)

    @property
    def dollars(self) -> float:
        """All of it."""
        return sum(charge.dollars for charge in self.charges)

    @property
    def dearest(self) -> float:
        """The dearest single charge."""
        return max((charge.dollars for charge in self.charges), default=0.0)

    def bought_twice(self) -> int:
        """Usable replies that reached the client although it had one to the same prompt."""
        counts = Counter(charge.prompt for charge in self.charges if charge.usable)
        return sum(counts.values()) - len(counts)

    def usable(self) -> int:
        """Prompts with a usable reply that reached the client."""
        return len({charge.prompt for charge in self.charges if charge.usable})
