"""Credit of releases: what each contribution and each contributor is worth in an average, by leave-one-out.

`averages_of_others` finds the members of an average, whose they are, and the average without each. `questions` enters
the comparisons that nodes count; `counts` reads their answers; `standings` makes values, intervals and places of them.
"""
