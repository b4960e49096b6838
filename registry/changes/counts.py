"""Taking counts back: an evaluation or a comparison, which make no version; its question is open again.

The scores that the counts had a part in are made again in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.change import RetractCounts
from ratatouille.exchange.signing import Sealed
from registry.ledger.event_log import record_event
from registry.ledger.signed import by, enter_change, known_change
from registry.schema import ContributionRow
from registry.scores import count_again


def retract_counts(connection: Connection, sealed: Sealed, change: RetractCounts) -> None:
    """Take counts back; once more changes nothing, also after they were restored.

    Raises:
        Refusal: for an unknown receipt, or one that made a version.
    """
    query = select(ContributionRow.state, ContributionRow.kind, ContributionRow.node, ContributionRow.work_id)
    row = connection.execute(query.where(ContributionRow.receipt == change.receipt)).first()
    if row is None:
        raise Refusal(f"there is no receipt {change.receipt[:12]}… here; `ratatouille withdraw` lists yours")
    if row.kind not in ("evaluate", "compare"):
        raise Refusal(f"receipt {change.receipt[:12]}… is of a {row.kind}: take the version back that it made")
    if row.state == "retracted" or known_change(connection, sealed) is not None:
        return
    enter_change(connection, sealed, change)
    receipt = ContributionRow.receipt == change.receipt
    connection.execute(update(ContributionRow).where(receipt).values(state="retracted", reason=change.message))
    count_again(connection, change.receipt)
    verb = "withdrawn" if sealed.node == row.node else "retracted"
    record_event(connection, "retraction", row.work_id, f"counts {verb} by {by(sealed, change)}: {change.message}")
