"""Signed changes of what people see, which are never altered and never removed.

`signed` is the list of them; `releases` moves aliases and enters tags, `retraction` takes versions back, for which
`reach` and `affected` find the averages that are made again. `maintain` is the side of whoever signs.
"""
