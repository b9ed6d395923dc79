"""Maintenance margin brackets: data with dates, as Binance publishes and changes them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from liqheat_project.kernel.validators import validate_symbol_name

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


class Calibration(models.Model):
    """A fit of E[USD liquidated] = scale x swept^power per side, in use while `active`.

    Rows stay: taking the newest out of use brings back the one before. What it was fitted on and
    how sure its gain is stand beside it.
    """

    symbol = models.CharField(max_length=30, db_index=True)
    model = models.CharField(max_length=40, help_text="name of the model whose amounts it converts")
    turnover = models.FloatField(help_text="the model's, chosen on the first part of the data")
    long_scale = models.FloatField()
    long_power = models.FloatField()
    short_scale = models.FloatField()
    short_power = models.FloatField()
    data_start = models.DateTimeField(help_text="of the recorded liquidations it was fitted on")
    data_end = models.DateTimeField()
    days = models.PositiveIntegerField()
    intervals = models.PositiveIntegerField(help_text="hours with recorded liquidations")
    gain = models.FloatField(
        help_text="share of deviance from the mean explained in the part that was not fitted"
    )
    gain_low = models.FloatField(help_text="lower end of its 95 % interval over days")
    gain_high = models.FloatField()
    points = models.JSONField(default=list, help_text="swept and recorded USD by side, as drawn")
    active = models.BooleanField(default=True, help_text="the newest active one is used")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.symbol}, {self.created_at:%Y-%m-%d}"
