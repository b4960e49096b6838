"""The catalogue of JSON documents: what each command prints with `--json`, by the command's words.

The schemas in docs/outputs are made from this table, and tests hold every document that a command prints in them
against its schema. A key that is removed, or that means something else, raises the version of its document.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from ratatouille.record import Record


@dataclass(frozen=True)
class Document:
    """A row: where the type is, as `module:name`, so that nothing heavy is imported before it is needed."""

    where: str
    version: int = 1
    lines: bool = False
    """Whether the command prints one document on each line (JSON lines), as things happen."""

    def type(self) -> Any:
        """The type itself."""
        module, _, name = self.where.partition(":")
        return getattr(importlib.import_module(module), name)


class Printed(BaseModel):
    """Something that is printed and never signed or sent; a record's `digest` may be one of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Refused(Printed):
    """What every command prints with `--json` when it does not do what was asked; it ends with this exit code."""

    error: str
    """One or two sentences: what is wrong, where, what to do."""
    code: int


def extended(record: type[Record], **more: Any) -> type[Printed]:
    """A record's fields with some more, which are worked out from them where they are printed."""
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in record.model_fields.items()}
    fields |= {name: (kind, Field()) for name, kind in more.items()}
    return create_model(f"{record.__name__}Document", __base__=Printed, __doc__=record.__doc__, **fields)


class RecipeRow(Record):
    """A recipe and its three columns."""

    recipe: str
    starts: str
    keeps: str | None
    combines: str
    summary: str


Recipes = tuple[RecipeRow, ...]


class Remotes(Record):
    """The registries that have a name here."""

    default: str
    remotes: dict[str, str]
    """Address by name."""


class SettingInForce(Record):
    """A value in force, and where it comes from."""

    value: str
    source: str


Settings = dict[str, SettingInForce]

_CLI, _REGISTRY = "ratatouille.cli.documents", "registry.commands.documents"
_COORDINATOR, _NODE = "coordinator.commands.documents", "contributor_client.commands.documents"

DOCUMENTS: dict[str, Document] = {
    "check": Document(f"{_COORDINATOR}:Checked"),
    "dataset": Document("ratatouille.tasks.domainbed.files:Prepared"),
    "remote list": Document(f"{_CLI}:Remotes"),
    "config": Document(f"{_CLI}:Settings"),
    "config name": Document(f"{_CLI}:SettingInForce"),
    "node check": Document("contributor_client.node_checks:NodeChecks"),
    "node doctor": Document("contributor_client.node_checks:NodeChecks"),
    "node status": Document(f"{_NODE}:Nodes"),
    "node outbox": Document(f"{_NODE}:Outbox"),
    "node preview": Document("contributor_client.preview:Preview"),
    "node report": Document("contributor_client.node_report:NodeReport"),
    "node forget": Document(f"{_NODE}:Forgotten"),
    "pull": Document("contributor_client.pulling:Written"),
    "push": Document(f"{_REGISTRY}:Pushed"),
    "me": Document("registry.records:Member"),
    "members join": Document("registry.records:Membership"),
    "members add-device": Document(f"{_REGISTRY}:Invited"),
    "members rotate": Document(f"{_REGISTRY}:Rotated"),
    "withdraw": Document(f"{_REGISTRY}:Withdraw"),
    "coordinator status": Document(f"{_COORDINATOR}:CoordinatorStatus"),
    "members invite": Document(f"{_REGISTRY}:Invited"),
    "members list": Document(f"{_REGISTRY}:MembersList"),
    "members show": Document("registry.records:MemberRecord"),
    "members approve": Document("registry.records:Membership"),
    "members role": Document("registry.records:Membership"),
    "members link": Document("registry.records:Membership"),
    "members revoke": Document(f"{_REGISTRY}:Revoked"),
    "foundation": Document("registry.records:Result"),
    "task add": Document(f"{_REGISTRY}:TaskAdded"),
    "task list": Document(f"{_REGISTRY}:Tasks"),
    "duplicates": Document(f"{_COORDINATOR}:Duplicates"),
    "round plan": Document("coordinator.estimate:Estimate"),
    "round run": Document(f"{_COORDINATOR}:RoundRun"),
    "round list": Document(f"{_COORDINATOR}:RoundList"),
    "round status": Document(f"{_COORDINATOR}:RoundStatus"),
    "round logs": Document("registry.records:Event", lines=True),
    "round report": Document("ratatouille.analysis.report:Report"),
    "round export": Document("coordinator.mlflow_runs:ExportedRound"),
    "release": Document(f"{_REGISTRY}:Released"),
    "tag": Document(f"{_REGISTRY}:Tagged"),
    "review list": Document("registry.commands.review:ReviewList"),
    "review show": Document("registry.records:ReviewRecord"),
    "review accept": Document("registry.records:ReviewRecord"),
    "review reject": Document("registry.records:ReviewRecord"),
    "retract": Document(f"{_REGISTRY}:Retract"),
    "log": Document(f"{_REGISTRY}:Log"),
    "show": Document(f"{_REGISTRY}:Shown"),
    "diff": Document("registry.records:Difference"),
    "lineage": Document(f"{_REGISTRY}:Lineage"),
    "credit": Document(f"{_REGISTRY}:CreditShown"),
    "verify": Document(f"{_REGISTRY}:Verified"),
    "evaluate": Document(f"{_NODE}:Evaluate"),
    "best": Document(f"{_NODE}:Best"),
    "analyse": Document(f"{_COORDINATOR}:Analysed"),
    "recipes": Document(f"{_CLI}:Recipes"),
    "protocols": Document("ratatouille.cli.tables:Protocols"),
    "benchmark": Document(f"{_COORDINATOR}:Benchmark"),
    "registry usage": Document(f"{_REGISTRY}:Usage"),
    "registry gc": Document("registry.records:Collected"),
    "registry settings": Document("registry.settings:Settings"),
    "registry head": Document(f"{_REGISTRY}:ShownHead"),
    "registry accept-head": Document(f"{_REGISTRY}:AcceptedHead"),
    "registry restored": Document(f"{_REGISTRY}:AcceptedHead"),
    "registry backup": Document(f"{_REGISTRY}:BackedUp"),
    "registry restore": Document(f"{_REGISTRY}:Restored"),
    "registry export": Document(f"{_REGISTRY}:Exported"),
    "registry import": Document(f"{_REGISTRY}:Imported"),
}
