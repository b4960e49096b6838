"""Bundles: versions with their ancestors as one file, to be handed to others (`registry export`, `registry import`).

`archive` is the file: a plain tar that is read strictly, header by header, since it comes from anybody. `form` says
what is in it and how much at most. `export` writes one from any registry, out of what `registry.history.portable`
finds. `reading` checks what can be checked without a registry; `entering` puts a bundle through the gates that a push
passes, and all of it becomes visible at once, or nothing.
"""
