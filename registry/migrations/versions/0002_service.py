"""Signed changes, tags, scores for ranking, claims on files, collected files, quotas."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from registry.scores import score_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_changes")),
        sa.UniqueConstraint("digest", name=op.f("uq_changes_digest")),
    )
    with op.batch_alter_table("changes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_changes_subject"), ["subject"], unique=False)

    op.create_table(
        "scores",
        sa.Column("featurizer", sa.String(length=64), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("image_size", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(length=20), nullable=False),
        sa.Column("slice", sa.String(length=20), nullable=False),
        sa.Column("domain", sa.String(length=80), nullable=False),
        sa.Column("domains", sa.Integer(), nullable=False),
        sa.Column("counted", sa.String(length=16), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("correct", sa.BigInteger(), nullable=False),
        sa.Column("accuracy", sa.Float(), nullable=False),
        sa.Column("accuracy_margin", sa.Float(), nullable=False),
        sa.Column("balanced_accuracy", sa.Float(), nullable=False),
        sa.Column("balanced_accuracy_margin", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["tasks.digest"], name=op.f("fk_scores_task")),
        sa.PrimaryKeyConstraint(
            "featurizer", "head", "task", "trial", "image_size", "split", "slice", "domain", name=op.f("pk_scores")
        ),
    )
    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.create_index(
            "ix_scores_accuracy",
            ["task", "trial", "split", "slice", "domain", "domains", "counted", "accuracy"],
            unique=False,
        )
        batch_op.create_index(
            "ix_scores_balanced_accuracy",
            ["task", "trial", "split", "slice", "domain", "domains", "counted", "balanced_accuracy"],
            unique=False,
        )

    op.create_table(
        "tags",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("change", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["change"], ["changes.number"], name=op.f("fk_tags_change")),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name=op.f("fk_tags_version")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tags")),
    )
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tags_version"), ["version"], unique=False)

    op.create_table(
        "transfers",
        sa.Column("receipt", sa.String(length=64), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("begun", sa.Float(), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("receipt", name=op.f("pk_transfers")),
    )
    with op.batch_alter_table("transfers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transfers_node_begun"), ["node", "begun"], unique=False)

    with op.batch_alter_table("contributions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contributions_node"))
        batch_op.create_index(batch_op.f("ix_contributions_node_created"), ["node", "created"], unique=False)

    with op.batch_alter_table("aliases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("before", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("undo", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("change", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_aliases_change"), "changes", ["change"], ["number"])

    with op.batch_alter_table("contributions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contributions_kind_task"), ["kind", "task"], unique=False)

    with op.batch_alter_table("parents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parents_parent"))
        batch_op.create_index(batch_op.f("ix_parents_parent_child"), ["parent", "child"], unique=False)

    with op.batch_alter_table("blobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("collected", sa.Float(), nullable=True))
        batch_op.create_index(batch_op.f("ix_blobs_collected"), ["collected"], unique=False)

    op.drop_table("uploads")  # promises of transfers that are over: nobody else has the database open now
    op.create_table(
        "uploads",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("claimant", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "claimant", name=op.f("pk_uploads")),
    )

    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("node", sa.String(length=64), nullable=True))
        batch_op.add_column(
            sa.Column("retraction", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
        )
        batch_op.add_column(sa.Column("replacement", sa.String(length=64), nullable=True))
        batch_op.drop_index(batch_op.f("ix_versions_featurizer"))
        batch_op.drop_index(batch_op.f("ix_versions_round"))
        batch_op.drop_index(batch_op.f("ix_versions_rule"))
        batch_op.drop_index(batch_op.f("ix_versions_task"))
        batch_op.create_index(
            batch_op.f("ix_versions_created_number_message"), ["created", "number", "message"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_versions_featurizer_head"), ["featurizer", "head"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_versions_node_created_number"), ["node", "created", "number"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_versions_retraction"), ["retraction"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_versions_round_created_number"), ["round", "created", "number"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_versions_rule_created_number"), ["rule", "created", "number"], unique=False
        )
        batch_op.create_index(
            "ix_versions_taken_back",
            ["state", "created", "number"],
            unique=False,
            sqlite_where=sa.text("state <> 'admitted'"),
            postgresql_where=sa.text("state <> 'admitted'"),
        )
        batch_op.create_index(
            batch_op.f("ix_versions_task_created_number"), ["task", "created", "number"], unique=False
        )
        batch_op.create_foreign_key(batch_op.f("fk_versions_retraction"), "changes", ["retraction"], ["number"])
    _fill()


def _fill() -> None:
    """Copy into the new columns what the old tables say."""
    op.execute(
        "UPDATE versions SET node = (SELECT node FROM contributions WHERE contributions.receipt = versions.receipt)"
    )
    op.execute(
        "UPDATE aliases SET before = (SELECT earlier.version FROM aliases AS earlier"
        " WHERE earlier.name = aliases.name AND earlier.number < aliases.number"
        " ORDER BY earlier.number DESC LIMIT 1)"
    )
    _fill_scores()


def _fill_scores() -> None:
    """Rank what was evaluated so far; a few pairs of parts at a time, since matrices are large."""
    connection, last = op.get_bind(), ("", "")
    pairs = sa.text(
        "SELECT DISTINCT featurizer, head FROM evaluations WHERE (featurizer, head) > (:featurizer, :head)"
        " ORDER BY featurizer, head LIMIT 100"
    )
    evaluations = sa.text(
        "SELECT evaluations.* FROM evaluations JOIN contributions ON contributions.receipt = evaluations.receipt"
        " WHERE contributions.state = 'admitted' AND evaluations.featurizer = :featurizer AND evaluations.head = :head"
        " ORDER BY task, trial, image_size, number"
    )
    table = sa.Table("scores", sa.MetaData(), autoload_with=connection)
    while found := connection.execute(pairs, {"featurizer": last[0], "head": last[1]}).all():
        for featurizer, head in found:
            rows = connection.execute(evaluations, {"featurizer": featurizer, "head": head}).mappings()
            for _, group in groupby(rows, key=lambda row: (row["task"], row["trial"], row["image_size"])):
                if scores := list(score_rows(group)):
                    connection.execute(table.insert(), scores)
            last = (featurizer, head)


def downgrade() -> None:
    """Go one step back."""
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_versions_retraction"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_versions_task_created_number"))
        batch_op.drop_index(
            "ix_versions_taken_back",
            sqlite_where=sa.text("state <> 'admitted'"),
            postgresql_where=sa.text("state <> 'admitted'"),
        )
        batch_op.drop_index(batch_op.f("ix_versions_rule_created_number"))
        batch_op.drop_index(batch_op.f("ix_versions_round_created_number"))
        batch_op.drop_index(batch_op.f("ix_versions_retraction"))
        batch_op.drop_index(batch_op.f("ix_versions_node_created_number"))
        batch_op.drop_index(batch_op.f("ix_versions_featurizer_head"))
        batch_op.drop_index(batch_op.f("ix_versions_created_number_message"))
        batch_op.create_index(batch_op.f("ix_versions_task"), ["task"], unique=False)
        batch_op.create_index(batch_op.f("ix_versions_rule"), ["rule"], unique=False)
        batch_op.create_index(batch_op.f("ix_versions_round"), ["round"], unique=False)
        batch_op.create_index(batch_op.f("ix_versions_featurizer"), ["featurizer"], unique=False)
        batch_op.drop_column("replacement")
        batch_op.drop_column("retraction")
        batch_op.drop_column("node")

    op.drop_table("uploads")
    op.create_table(
        "uploads",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_uploads")),
    )

    with op.batch_alter_table("blobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blobs_collected"))
        batch_op.drop_column("collected")

    with op.batch_alter_table("contributions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contributions_kind_task"))

    with op.batch_alter_table("parents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parents_parent_child"))
        batch_op.create_index(batch_op.f("ix_parents_parent"), ["parent"], unique=False)

    with op.batch_alter_table("aliases", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_aliases_change"), type_="foreignkey")
        batch_op.drop_column("change")
        batch_op.drop_column("undo")
        batch_op.drop_column("before")

    with op.batch_alter_table("contributions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contributions_node_created"))
        batch_op.create_index(batch_op.f("ix_contributions_node"), ["node"], unique=False)

    with op.batch_alter_table("transfers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_transfers_node_begun"))

    op.drop_table("transfers")
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tags_version"))

    op.drop_table("tags")
    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.drop_index("ix_scores_balanced_accuracy")
        batch_op.drop_index("ix_scores_accuracy")

    op.drop_table("scores")
    with op.batch_alter_table("changes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_changes_subject"))

    op.drop_table("changes")
