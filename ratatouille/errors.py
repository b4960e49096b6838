"""What we say to people when their input cannot be used.

A Refusal is one sentence or two: what is wrong, where, and what to do about it. The command line prints it and exits
with code 2; services send it as the message of their reply. Anything else that is raised is a defect of ours.
"""


class Refusal(Exception):
    """Input from a person or a peer that cannot be accepted; the message names the culprit and the way out."""


class Unreachable(Refusal):
    """A service that does not answer now and may answer later; long-running processes retry it."""
