"""Combinations of versions, made where the bytes are. Every reader can make one again and compare it, bit for bit.

`combining` takes a request to its version, `kitchen` holds what is in the making, `ingredients` are parts with
coefficients and the average itself.
"""
