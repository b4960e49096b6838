"""Which weights stay, which gc takes, and how much room they need.

`policy` is pure; `keeping` reads what it looks at, `collecting` is gc, `removed` tells of
what is gone, `usage` adds up.
"""
