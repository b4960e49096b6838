"""What the mended faults of version 0.1 need to be stored."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from registry.history.scores import score_rows

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    _score_again()


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


def downgrade() -> None:
    """Go one step back."""
