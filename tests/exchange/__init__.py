"""
A small exchange on loopback, for tests of `freqtrade trade` and for `make dry-run`.

It speaks the part of Binance's public API, of spot markets and of futures, that freqtrade asks for,
and fails when told to.
"""
