"""The report of the attack benchmark: tables in Markdown, a plot, and the numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from coordinator.benchmark.admission.attacks import ATTACKS
from coordinator.benchmark.admission.figures import AdmissionFigures, ScenarioResult, wilson
from coordinator.benchmark.admission.sizes import Size
from ratatouille.analysis.figures import figure, files, label, style
from ratatouille.folders import write_whole
from ratatouille.wording import number_of

WAYS = ("mean", "gate", "median", "trimmed mean", "Krum", "Multi-Krum")
"""Ways to combine the members, in the order of the tables; the mean is what happens without a gate."""
BROKEN = 5.0
"""Points of damage from which an attack counts as broken through."""
Table = list[list[str]]


def write(folder: Path, found: AdmissionFigures, size: Size, command: str, about: str) -> list[Path]:
    """Write report.md, report.json and the figure; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, data in drawn(found).items():
        write_whole(folder / name, [data])
        written.append(folder / name)
    text = report(found, size, command, about)
    values = {"command": command, "about": about, "figures": found.model_dump(mode="json")}
    for name, content in (("report.md", text), ("report.json", json.dumps(values, indent=1) + "\n")):
        write_whole(folder / name, [content.encode()])
        written.append(folder / name)
    return written


def report(found: AdmissionFigures, size: Size, command: str, about: str) -> str:
    """The page."""
    images = f"{found.images['validation']} validation images and {found.images['held out']} held-out images"
    lines = [
        "# Attacks on admission",
        "",
        f"{about} Members are drawn from {number_of(found.contributions, 'honest contribution')}; verdicts are counted "
        f"on {images}.",
        "",
        f"Made by `{command}`.",
        "",
        "*Damage* is the held-out accuracy, in points, that the average has less than the average of the honest "
        "members alone. Negative damage is a gain. *Mean* is the average without a gate. Median, trimmed mean, Krum "
        "and Multi-Krum are told how many members attack; the gate is told nothing.",
        "",
        f"## Every attack by one of {size.alone} members",
        "",
        *table(_attack_rows(found, size)),
        "",
        "*push*: the registry refused the weights while they came. *norm*: the update is too large. *unmoved*: the "
        "weights are the start's. *copy*: the weights are another member's. The others were counted by nodes. "
        "*honest refused* counts honest members of the same round that were not admitted.",
        "",
        "What the registry says of each:",
        "",
        *[f"- {one.attack}: {one.reason or 'admitted'}" for one in _single(found, size)],
        "",
        "## Attackers inside the reference",
        "",
        "These attacks may pass the checks of the weights. Then they are part of the median that all members are "
        "compared with.",
        "",
        *table(_inside_rows(found)),
        "",
        *_breaking(found),
        "",
        "![Damage by the share of attackers, without a gate and with it](figure.png)",
        "",
        "## Honest contributions that were refused",
        "",
        *table(_honest_rows(found)),
        "",
        "The interval is Wilson's, 95 %. Contributions of one round share a start, a head and validation images, so "
        "they are not independent, and the interval is too narrow for other data. Scenarios judge the same members "
        "again and again, so they have no interval.",
        "",
        *[f"- {one.setting}: {reason}" for one in found.honest for reason in one.reasons],
        "",
        "## The backdoor",
        "",
        _backdoor_sentence(found),
        "",
        *table(_backdoor_rows(found)),
        "",
        "*success*: share of the held-out images of other classes that the patch turns into the class that it means. "
        "The clean baseline is the same average without the backdoored member's training.",
        "",
    ]
    return "\n".join(lines)


def table(rows: Table) -> list[str]:
    """Markdown."""
    head, *body = rows
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *[f"| {' | '.join(row)} |" for row in body],
    ]


def damage(one: ScenarioResult, way: str) -> float:
    """Points of held-out accuracy that a way to combine loses against the honest members alone."""
    return 100 * (one.held_out["honest"] - one.held_out[way])


def _points(values: Sequence[float]) -> str:
    return f"{mean(values):+.1f}" if values else "–"


def _single(found: AdmissionFigures, size: Size) -> list[ScenarioResult]:
    count = min(size.alone, found.contributions)
    results = {
        one.attack: one
        for one in reversed(found.results)
        if one.members == count and one.attackers == 1 and one.draw == 0
    }
    return [results[name] for name in ATTACKS if name in results]


def _attack_rows(found: AdmissionFigures, size: Size) -> Table:
    rows = [["attack", "what it is", "stopped by", "honest refused", *WAYS]]
    for one in _single(found, size):
        stopped = ", ".join(one.checks) or "**nothing**"
        refused = f"{one.refused} of {one.honest}"
        summary = ATTACKS[str(one.attack)].summary
        rows.append([str(one.attack), summary, stopped, refused, *[_points([damage(one, way)]) for way in WAYS]])
    return rows


def _cells(found: AdmissionFigures) -> dict[tuple[str, int, int], list[ScenarioResult]]:
    """Results with the same attack, members and attackers, over draws; those tried with several numbers of members."""
    cells: dict[tuple[str, int, int], list[ScenarioResult]] = {}
    for one in found.results:
        if one.attack is not None:
            cells.setdefault((one.attack, one.members, one.attackers), []).append(one)
    several = {name for name, _, attackers in cells if attackers > 1}
    order = {name: place for place, name in enumerate(ATTACKS)}
    kept = [key for key in cells if key[0] in several]
    return {key: cells[key] for key in sorted(kept, key=lambda key: (order[key[0]], key[1], key[2]))}


def _inside_rows(found: AdmissionFigures) -> Table:
    rows = [["attack", "members", "attackers", "attackers stopped", "by", "honest refused", *WAYS]]
    for (name, members, attackers), some in _cells(found).items():
        stopped, tried = sum(one.stopped for one in some), attackers * len(some)
        checks = ", ".join(dict.fromkeys(check for one in some for check in one.checks)) or "–"
        refused, honest = sum(one.refused for one in some), (members - attackers) * len(some)
        share = f"{attackers} ({100 * attackers / members:.0f} %)"
        rows.append(
            [name, str(members), share, f"{stopped} of {tried}", checks, f"{refused} of {honest}"]
            + [_points([damage(one, way) for one in some]) for way in WAYS]
        )
    return rows


def _breaking(found: AdmissionFigures) -> list[str]:
    """For each attack, where it first breaks through the gate."""
    lines = [f"Where the gate lets through {BROKEN:g} points of damage or more:", ""]
    cells = _cells(found)
    for name in dict.fromkeys(name for name, _, _ in cells):
        shares = sorted(
            (attackers / members, members, attackers)
            for (attack, members, attackers), some in cells.items()
            if attack == name and mean(damage(one, "gate") for one in some) >= BROKEN
        )
        where = "at no share that was tried"
        if shares:
            share, members, attackers = shares[0]
            where = f"from {attackers} of {members} members ({100 * share:.0f} %)"
        lines.append(f"- {name}: {where}")
    return lines


def _honest_rows(found: AdmissionFigures) -> Table:
    rows = [["rounds", "contributions", "refused", "share", "95 % interval"]]
    whole = [(one.setting, one.contributions, one.refused) for one in found.honest]
    whole.append(("all", sum(count for _, count, _ in whole), sum(refused for _, _, refused in whole)))
    clean = [one for one in found.results if one.attack is None]
    drawn_ = ("draws of members", sum(one.honest for one in clean), sum(one.refused for one in clean))
    beside = [one for one in found.results if one.attack is not None]
    attacked = ("beside attackers", sum(one.honest for one in beside), sum(one.refused for one in beside))
    for name, count, refused in (*whole, drawn_, attacked):
        low, high = wilson(refused, count)
        share = f"{100 * refused / count:.1f} %" if count else "–"
        independent = (name, count, refused) in whole
        interval = f"{100 * low:.1f} to {100 * high:.1f} %" if independent else "–"
        rows.append([name, str(count), str(refused), share, interval])
    return rows


def _backdoor_sentence(found: AdmissionFigures) -> str:
    if found.backdoor_admitted:
        return (
            "**No check catches the backdoor.** The backdoored member was admitted: on images without the patch it is "
            "as good as an honest one, and nobody else has images with the patch."
        )
    return (
        "**No check looks for a backdoor.** The backdoored member was not admitted here, since it was bad on plain "
        "images too; one that trains more carefully is as good as an honest one, and passes."
    )


def _backdoor_rows(found: AdmissionFigures) -> Table:
    rows = [["members", "success with one backdoor", "clean baseline", "held out with it", "held out without"]]
    by_count = {(one.members, one.backdoors): one for one in found.backdoor}
    for count in sorted({members for members, _ in by_count}):
        bad, clean = by_count[count, 1], by_count[count, 0]
        shares = [f"{100 * value:.1f} %" for value in (bad.success, clean.success, bad.held_out, clean.held_out)]
        rows.append([str(count), *shares])
    return rows


def drawn(found: AdmissionFigures) -> dict[str, bytes]:
    """Damage by the share of attackers at the largest number of members that has several shares."""
    cells = _cells(found)
    sizes = {members for _, members, _ in cells}
    best = max(sizes, key=lambda size: (len({n for _, m, n in cells if m == size}), size), default=0)
    canvas = figure(9, 3.6)
    left, right = canvas.subplots(1, 2, sharey=True)
    for number, name in enumerate(dict.fromkeys(name for name, members, _ in cells if members == best)):
        some = [(n, results) for (attack, members, n), results in cells.items() if (attack, members) == (name, best)]
        shares = [100 * n / best for n, _ in some]
        for axis, way in ((left, "mean"), (right, "gate")):
            axis.plot(
                shares, [mean(damage(one, way) for one in results) for _, results in some], label=name, **style(number)
            )
    for axis, title in ((left, "without a gate"), (right, "with the gate")):
        label(axis, f"{title}, {best} members", "attackers in %", "damage in points")
    right.legend(fontsize="x-small")
    return files(canvas)
