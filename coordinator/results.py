"""The result of a round from what its registry knows now: the table of its recipes, and who was admitted to them."""

from __future__ import annotations

from coordinator.admission import Makers
from coordinator.driver import RoundDriver
from ratatouille.analysis.admission import admission_report
from ratatouille.analysis.report import Report, report
from ratatouille.recipes.questions import RoundPlan
from registry.records import RoundRecord
from registry.services.registry import Registry


def result(registry: Registry, record: RoundRecord) -> Report:
    """The table of a round from what the registry knows now."""
    driver = RoundDriver.of(record, registry)
    return reported(registry, driver, driver.gather(), record.reason)


def reported(registry: Registry, driver: RoundDriver, plan: RoundPlan, note: str) -> Report:
    """The table of a plan."""
    lacking = [order.label for order in plan.lacking.values()]
    admission = admission_report(driver.round, plan, Makers(registry).member, driver.seconds)
    return report(driver.round, plan.outcomes, note, plan.shared, lacking, admission)
