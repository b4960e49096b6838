"""Retention: the policy that keeps weights, gc that removes others, and the room that they need.

`policy` decides, `gc` removes.
"""
