"""Columns and tables for mended faults of version 0.1, members with keys, reviews, and the tree over the log."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from ratatouille.record import sha256
from registry.leaves import leaf_rows
from registry.lists import chunks
from registry.scores import score_rows

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    _offers_and_leases()
    op.create_table(
        "obligations",
        sa.Column("work_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False, server_default="evaluate"),
        sa.Column("makers", sa.Text(), nullable=False, server_default=""),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name="fk_obligations_version"),
        sa.PrimaryKeyConstraint("work_id", "version", name="pk_obligations"),
    )
    op.create_index("ix_obligations_version", "obligations", ["version"])
    _members()
    _reviews()
    _score_again()
    _leaves()


AT_ONCE = 500
"""Events that are read and entered at a time: memory does not grow with the log."""


def _leaves() -> None:
    """The log becomes a Merkle tree. What nodes of version 0.1 said may name their owners' files, and is not shown to
    anybody; a random number in its leaf keeps it from being guessed from the leaf's hash, which proofs show.
    """
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "leaves",
        sa.Column("position", number, autoincrement=False, nullable=False),
        sa.Column("event", number, nullable=False),
        sa.Column("about", sa.String(64), nullable=True),
        sa.Column("nodes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["events.number"], name="fk_leaves_event"),
        sa.PrimaryKeyConstraint("position", name="pk_leaves"),
        sa.UniqueConstraint("event", name="uq_leaves_event"),
    )
    op.create_index("ix_leaves_about", "leaves", ["about"])
    connection = op.get_bind()
    table = sa.Table("leaves", sa.MetaData(), autoload_with=connection)
    for rows in chunks(leaf_rows(_events(connection)), AT_ONCE):
        connection.execute(table.insert(), rows)


def _events(connection: sa.Connection) -> Iterator[tuple[Mapping[Any, Any], str | None]]:
    page = sa.text(
        "SELECT number, at, kind, round, subject, text FROM events WHERE number > :last ORDER BY number LIMIT :most"
    )
    settings, last = sa.text("SELECT spec FROM rounds WHERE id = :id"), 0
    while found := connection.execute(page, {"last": last, "most": AT_ONCE}).mappings().all():
        for row in found:
            about = None
            if row["kind"] == "failure" or (row["kind"] == "round" and ": " in row["text"]):
                about = secrets.token_hex(32)
            elif row["kind"] == "round" and row["text"].endswith(" requested"):
                spec = connection.execute(settings, {"id": row["subject"]}).scalar()
                about = None if spec is None else sha256(spec.encode())
            yield row, about
            last = row["number"]


def _score_again() -> None:
    """Scores were sums of floats, so that equal ones could differ; now they are the floats nearest to exact shares."""
    connection, last = op.get_bind(), ("", "")
    pairs = sa.text(
        "SELECT DISTINCT featurizer, head FROM scores WHERE (featurizer, head) > (:featurizer, :head)"
        " ORDER BY featurizer, head LIMIT 100"
    )
    forget = sa.text("DELETE FROM scores WHERE featurizer = :featurizer AND head = :head")
    evaluations = sa.text(
        "SELECT evaluations.* FROM evaluations JOIN contributions ON contributions.receipt = evaluations.receipt"
        " WHERE contributions.state IN ('admitted', 'duplicate')"
        " AND evaluations.featurizer = :featurizer AND evaluations.head = :head"
        " ORDER BY task, trial, image_size, number"
    )
    table = sa.Table("scores", sa.MetaData(), autoload_with=connection)
    while found := connection.execute(pairs, {"featurizer": last[0], "head": last[1]}).all():
        for featurizer, head in found:
            pair = {"featurizer": featurizer, "head": head}
            rows = connection.execute(evaluations, pair).mappings().all()
            connection.execute(forget, pair)
            for _, group in groupby(rows, key=lambda row: (row["task"], row["trial"], row["image_size"])):
                if scores := list(score_rows(group)):
                    connection.execute(table.insert(), scores)
            last = (featurizer, head)


def _offers_and_leases() -> None:
    """Holdings that are offered entitle to answers; leases say when they were signed and given back."""
    op.create_table(
        "holdings",
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("node", "fingerprint", name=op.f("pk_holdings")),
    )
    with op.batch_alter_table("holdings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_holdings_fingerprint"), ["fingerprint"], unique=False)
    with op.batch_alter_table("leases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fingerprint", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("issued", sa.Float(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("released", sa.Float(), nullable=True))
        batch_op.create_index(batch_op.f("ix_leases_node_expires"), ["node", "expires"], unique=False)
    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("peer", sa.String(length=80), server_default="", nullable=False))


def _members() -> None:
    """Members, their keys, invitations and sessions."""
    op.create_table(
        "members",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("invitation", sa.String(64), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
        sa.UniqueConstraint("name", name="uq_members_name"),
    )
    op.create_table(
        "keys",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("device", sa.String(64), nullable=True),
        sa.Column("flower", sa.Text(), nullable=True),
        sa.Column("ended_flower", sa.Text(), nullable=True),
        sa.Column("replaces", sa.String(64), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"], name="fk_keys_member"),
        sa.PrimaryKeyConstraint("key", name="pk_keys"),
    )
    op.create_index("ix_keys_member", "keys", ["member"])
    op.create_index("ix_keys_ended_flower", "keys", ["ended_flower"])
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("name", sa.String(80), nullable=True),
        sa.Column("member", sa.String(64), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("approve", sa.Boolean(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("maker", sa.String(64), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"], name="fk_invitations_member"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
    )
    op.create_table(
        "enrolments",
        sa.Column("invitation", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["invitation"], ["invitations.id"], name="fk_enrolments_invitation"),
        sa.ForeignKeyConstraint(["key"], ["keys.key"], name="fk_enrolments_key"),
        sa.PrimaryKeyConstraint("invitation", "key", name="pk_enrolments"),
    )
    op.create_table(
        "sessions",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires", "sessions", ["expires"])
    op.create_index("ix_sessions_key", "sessions", ["key"])


def _reviews() -> None:
    """Reviews of versions, and inspections of their weights."""
    op.create_table(
        "reviews",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("by", sa.String(20), nullable=False),
        sa.Column("change", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["change"], ["changes.number"], name="fk_reviews_change"),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name="fk_reviews_version"),
        sa.PrimaryKeyConstraint("version", name="pk_reviews"),
    )
    op.create_index("ix_reviews_change", "reviews", ["change"])
    op.create_index("ix_reviews_state_change", "reviews", ["state", "change"])
    op.create_table(
        "inspections",
        sa.Column("work_id", sa.String(64), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("work_id", name="pk_inspections"),
    )


def downgrade() -> None:
    """Go one step back."""
    for name in ("inspections", "reviews"):
        op.drop_table(name)
    # earlier releases refuse settings of other names
    op.execute("DELETE FROM settings WHERE name IN ('coordinator', 'registry')")
    for name in ("leaves", "sessions", "enrolments", "invitations", "keys", "members"):
        op.drop_table(name)
    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.drop_column("peer")
    # entitlements that were given back would come to life again
    op.execute(sa.text("DELETE FROM leases WHERE released IS NOT NULL"))
    with op.batch_alter_table("leases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_leases_node_expires"))
        batch_op.drop_column("released")
        batch_op.drop_column("issued")
        batch_op.drop_column("fingerprint")
    op.drop_table("holdings")
    op.drop_index("ix_obligations_version", "obligations")
    op.drop_table("obligations")
