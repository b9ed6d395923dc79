"""What runs by itself for every enabled symbol, one module a collector."""
