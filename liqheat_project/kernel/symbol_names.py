"""Which names of symbols there can be, for every part of the program that takes one."""

import re
import unicodedata

HELP = "2 to 30 capital letters of any script, digits or underscores."

JAVASCRIPT_PATTERN = r"^[A-Z0-9_\u00aa-\uffff]{2,30}$"
"""What the API's description says of a name: no more than a pattern can say in every language."""

_ASCII_NAME = re.compile(r"[A-Z0-9_]{2,30}")
_LETTERS = frozenset({"Lu", "Lt", "Lm", "Lo", "Mn", "Mc"})


def is_symbol_name(text: object) -> bool:
    """Whether a symbol can have this name, as Binance has them: ETHUSDT, 币安人生USDT.

    Letters of any script (not small ones, where a script has both), digits and underscores, in
    Unicode's normal form C. It is never a path: no dot, slash, blank or control character is in it.
    """
    if not isinstance(text, str) or not 2 <= len(text) <= 30:
        return False
    if text.isascii():
        return _ASCII_NAME.fullmatch(text) is not None
    return unicodedata.is_normalized("NFC", text) and all(map(_may_be_in_a_name, text))


def _may_be_in_a_name(character: str) -> bool:
    if character.isascii():
        return _ASCII_NAME.fullmatch(character * 2) is not None
    return unicodedata.category(character) in _LETTERS
