"""
A small exchange on loopback, for tests of `freqtrade trade` and for `make dry-run`.

It speaks the part of Binance's public spot API that freqtrade asks for, and fails when told to.
"""
