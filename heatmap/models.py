"""Maintenance margin brackets: data with dates, as Binance publishes and changes them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from liqheat_project.lib.validators import validate_symbol_name

DEFAULT_SYMBOL = "DEFAULT"


class BracketTable(models.Model):
    """A symbol's brackets, in force from `valid_from` until its next table.

    The tables of the symbol `DEFAULT` serve symbols that have none of their own.
    """

    symbol = models.CharField(
        max_length=30,
        validators=[validate_symbol_name],
        help_text="as Binance writes it; DEFAULT serves the symbols without a table",
    )
    valid_from = models.DateTimeField(
        help_text="UTC. A symbol's first table also holds for all time before it."
    )
    source = models.CharField(max_length=200, blank=True, help_text="where the figures come from")
    imported_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["symbol", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "valid_from"], name="one_bracket_table_per_symbol_and_date"
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} from {self.valid_from:%Y-%m-%d}"


class Bracket(models.Model):
    """One bracket: a notional n in USDT is in it where floor < n <= cap."""

    table = models.ForeignKey(BracketTable, on_delete=models.CASCADE, related_name="brackets")
    notional_floor = models.FloatField(validators=[MinValueValidator(0)])
    notional_cap = models.FloatField(validators=[MinValueValidator(0)])
    maintenance_margin_rate = models.FloatField(
        validators=[MinValueValidator(0), MaxValueValidator(1)], help_text="0.004 is 0.4 %"
    )
    max_leverage = models.FloatField(validators=[MinValueValidator(1)])
    cum = models.FloatField(
        "maintenance amount",
        validators=[MinValueValidator(0)],
        help_text="USDT: the cum of the bracket before + floor x (rate - rate before)",
    )

    class Meta:
        ordering = ["table", "notional_floor"]
        constraints = [
            models.UniqueConstraint(
                fields=["table", "notional_floor"], name="one_bracket_per_floor_of_a_table"
            )
        ]

    def __str__(self) -> str:
        return f"{self.notional_floor:,.0f} to {self.notional_cap:,.0f} USDT"
