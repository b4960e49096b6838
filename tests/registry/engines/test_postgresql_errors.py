"""What servers, poolers and the network say: what may pass is tried again, what must be changed is not."""

from __future__ import annotations

import pytest

from ratatouille.errors import Misconfigured, Unreachable
from registry.engines.postgresql import meaning

ATTEMPT = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


def means(said: str, code: str | None = None) -> type | None:
    found = meaning(said, code, "postgresql://db")
    return None if found is None else type(found)


@pytest.mark.parametrize(
    "said",
    [
        f"{ATTEMPT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        f"{ATTEMPT}server closed the connection unexpectedly",
        "connection timeout expired",
        "consuming input failed: server closed the connection unexpectedly",
        "[Errno -3] Temporary failure in name resolution",
        f"{ATTEMPT}FATAL:  the database system is starting up",
        f"{ATTEMPT}FATAL:  the database system is shutting down",
        f"{ATTEMPT}FATAL:  sorry, too many clients already",
        f"{ATTEMPT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        f"{ATTEMPT}FATAL:  no more connections allowed (max_client_conn)",
        f"{ATTEMPT}FATAL:  server login has been failing, try again later (server_login_retry)",
    ],
)
def test_what_may_pass_is_tried_again(said: str) -> None:
    assert means(said) is Unreachable


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            f'{ATTEMPT}FATAL:  password authentication failed for user "a"',
            "lets nobody in like this: .* put it into",
        ),
        (f"{ATTEMPT}fe_sendauth: no password supplied", "lets nobody in like this"),
        (f'{ATTEMPT}FATAL:  no pg_hba.conf entry for host "::1"', "lets nobody in like this"),
        (f'{ATTEMPT}FATAL:  database "nowhere" does not exist', 'database "nowhere" does not exist .*CREATE DATABASE'),
        (f"{ATTEMPT}FATAL:  no such user: anna", "no such user: anna .*CREATE ROLE"),
        (
            f"{ATTEMPT}FATAL:  unsupported startup parameter: options",
            "a parameter of its address: .*PgBouncer",
        ),
        (f'{ATTEMPT}FATAL:  "trust" authentication failed', "lets nobody in like this"),
        (f"{ATTEMPT}FATAL:  bouncer config error", "refuses: bouncer config error; look at its settings"),
        (
            f'{ATTEMPT}FATAL:  database "db" is not currently accepting connections',
            "refuses: .* not currently",
        ),
        (f"{ATTEMPT}FATAL:  Passwort-Authentifizierung für Benutzer »a« fehlgeschlagen", "refuses: Passwort-Auth"),
        (f"{ATTEMPT}ВАЖНО:  база данных не существует", "refuses: база данных не существует"),
        (f"{ATTEMPT}server does not support SSL, but SSL was required", "does not support SSL"),
        (f"{ATTEMPT}SSL error: certificate verify failed", "certificate verify failed"),
    ],
)
def test_what_somebody_must_change_is_not_tried_again(said: str, sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        raise meaning(said, None, "postgresql://db") or AssertionError


def test_of_several_addresses_one_that_refuses_for_good_decides() -> None:
    said = (
        f"{ATTEMPT}Connection refused\nMultiple connection attempts failed. All failures were:\n"
        f"- host: 'db', hostaddr: '::1': {ATTEMPT}FATAL:  password authentication failed for user \"a\"\n"
        f"- host: 'db', hostaddr: '127.0.0.1': {ATTEMPT}Connection refused"
    )
    assert means(said) is Misconfigured


@pytest.mark.parametrize(
    ("said", "code", "kind"),
    [
        ("query_wait_timeout", "08P01", Unreachable),
        ("server login has been failing, try again later (server_login_retry)", "08P01", Unreachable),
        ('role "absent" does not exist', "08P01", Misconfigured),
        ("bouncer config error", "08P01", Misconfigured),
        ("password authentication failed", "28P01", Misconfigured),
        ("role does not exist", "28000", Misconfigured),
        ('database "gone" does not exist', "3D000", Misconfigured),
        ("the database was dropped", "57P04", Misconfigured),
        ("permission denied for table versions", "42501", Misconfigured),
        ("cannot execute INSERT in a read-only transaction", "25006", Misconfigured),
        ("terminating connection due to administrator command", "57P01", Unreachable),
        ("canceling statement due to lock timeout", "55P03", Unreachable),
        ("sorry, too many clients already", "53300", Unreachable),
        ("server closed the connection", "08006", Unreachable),
        ('relation "versions" does not exist', "42P01", None),
        ("duplicate key value violates unique constraint", "23505", None),
    ],
)
def test_codes_say_whether_the_same_may_work_later(said: str, code: str, kind: type | None) -> None:
    assert means(said, code) is kind
