"""How our density ranks where positions were really liquidated."""
