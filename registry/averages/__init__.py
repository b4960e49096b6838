"""Weighted means of versions, made where the bytes are; whoever checks one makes it again, to the bit.

`combining` takes a request to its version, `kitchen` holds what is in the making, `ingredients` are parts with
coefficients and the average itself.
"""
