"""Bundles: versions with their ancestors as one file, to be handed to others (`registry export`, `registry import`).

`archive` is the file: a plain tar with a manifest. It is read strictly, header by header, since it comes from outside.
`export` writes one from any registry, out of what `registry.history.portable` finds. `reading` checks what needs no
registry. `entering` checks a bundle as the registry checks a push: all of it becomes visible at once, or nothing.
"""
