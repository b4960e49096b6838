"""Retention: the policy that keeps weights, gc that removes others, and the room that they need.

`policy` is pure; `keeping` reads what it looks at, `collecting` is gc, `usage` adds up.
"""
