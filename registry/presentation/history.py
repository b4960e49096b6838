"""Versions, receipts, rankings and differences in words: the rows and sentences of the terminal and of the web page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ratatouille.cli import output
from ratatouille.cli.output import Cell, TableLayout, percent, short, when
from ratatouille.exchange.assignment import FineTune, Import, Keep, Probe
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.version import Rule
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.methods import MEAN
from ratatouille.wording import enumerated, number_of
from registry.presentation.kinds import STYLES, colour_of, recipe_text, score_sentence, score_text
from registry.presentation.reviews import review_sentence
from registry.presentation.scores import ClassLines, ScoreLine, sparkline
from registry.records import NOT_TAKEN, Details, Difference, Entry, LineageRow, Ranking, TagRecord

Row = tuple[str, ...]

CURVE_WIDTH = 24
"""Signs of a curve in the terminal."""
MOST = 6
"""Names in one line; `--json` has all of them."""

LOG = TableLayout(
    ("id", "when (UTC)", "made by", "recipe", "score (%)", "task", "contributor", "round", "aliases"),
    drop=("contributor", "when (UTC)", "task", "round", "score (%)", "made by"),
)
PARENTS = TableLayout(("count", "id", "made by", "task", "contributor"), drop=("contributor", "task"))
CURVE = TableLayout(("what", "curve", "values"), prose=("values",), header=False)
SCORES = TableLayout(
    ("task", "domain", "split", "slice", "accuracy", "±", "balanced", "images", "holdings"),
    drop=("holdings", "balanced", "task", "images", "slice", "±"),
)


def made_by(entry: Entry) -> str:
    """The rule that made a version, its purpose, and its state or review where that is not the usual one."""
    rule = entry.version.rule
    words = [rule.name, rule.purpose or "", "" if entry.state == "admitted" else f"({entry.state})"]
    words.append(f"({entry.review})" if entry.review in NOT_TAKEN else "")
    return " ".join(word for word in words if word)


def contributor(entry: Entry) -> str:
    """The contributor of a version: the name of the node, with its key where others have that name too."""
    if entry.contributor and entry.name_shared:
        return f"{entry.contributor} ({short(entry.node)})"
    return entry.contributor or (short(entry.node) if entry.node else "–")


def kind_style(entry: Entry) -> str:
    """The terminal's colour for the kind of a version."""
    return STYLES.get(colour_of(entry.version.rule.name, entry.task_kind), "")


def log_rows(entries: Iterable[Entry], rounds: Mapping[str, str]) -> list[tuple[Cell, ...]]:
    """A row for each entry; `rounds` gives the names of rounds by id."""
    return [
        (
            short(entry.id),
            when(entry.created)[:-3],
            output.safe(made_by(entry), kind_style(entry)),
            recipe_text(entry.recipes) or "–",
            score_text(entry.score) or "–",
            entry.task_name or "–",
            contributor(entry),
            rounds.get(entry.round, entry.round) if entry.round else "–",
            enumerated(entry.aliases, MOST, " ") + (" (not evaluated)" if entry.not_evaluated else ""),
        )
        for entry in entries
    ]


def _method(rule: Rule) -> str:
    """The method of a combination; empty for the mean."""
    if rule.method == MEAN:
        return ""
    values = (f"{name} {len(one) if isinstance(one, list) else one}" for name, one in sorted(rule.parameters.items()))
    return ", ".join((rule.method, *values))


def _waiting(entry: Entry) -> str:
    """A note on a version that a retraction put in place of another one, until it is counted."""
    return " (moved by a retraction, not evaluated yet)" if entry.not_evaluated else ""


def facts(details: Details, architecture: Architecture) -> list[Row]:
    """The facts about a version, as pairs of name and value."""
    entry, version = details.entry, details.entry.version
    signed = f"{entry.contributor or 'a node'} (key {short(entry.node)})" if entry.node else "the registry"
    tagged = {tag.name for tag in details.tags}
    pairs = [
        ("version", entry.id),
        ("aliases", enumerated([name for name in entry.aliases if name not in tagged], MOST) + _waiting(entry)),
        ("tags", enumerated([*map(_tag, details.tags)], MOST, "; ")),
        ("state", _state(details)),
        ("review", "" if details.review is None else review_sentence(details.review)),
        ("made by", f"{made_by(entry)}, revision {version.rule.revision}"),
        ("recipe", _recipes(entry)),
        ("score", "" if entry.score is None else score_sentence(entry.score)),
        ("method", _method(version.rule)),
        ("contributor", signed),
        ("when (UTC)", when(entry.created)),
        ("message", entry.message),
        ("task", entry.task_name or ""),
        ("round", entry.round or ""),
        ("architecture", f"{architecture.name}, {architecture.input_size} px (record {short(version.architecture)})"),
        ("featurizer", version.featurizer),
        ("head", version.head or "none: a featurizer alone"),
        ("weights", f"removed by gc on {when(details.collected)} (UTC)" if details.collected else ""),
        ("work id", entry.work_id),
        ("children", enumerated([*map(short, details.children)], MOST)),
    ]
    return [(name, value) for name, value in pairs if value]


def parent_rows(lineage: Sequence[LineageRow]) -> list[Row]:
    """A row for each parent of the first entry: its count or factor in an average, what made it, and who."""
    averaged = lineage[0].entry.version.rule.name == "combine"
    return [
        (
            f"{row.coefficient} ×" if averaged else "",
            short(row.entry.id),
            made_by(row.entry),
            row.entry.task_name or "–",
            contributor(row.entry),
        )
        for row in lineage
        if row.depth == 1
    ]


def receipt_facts(receipt: Receipt) -> list[Row]:
    """The highlights of a signed receipt, as pairs of name and value."""
    work = receipt.assignment
    pairs: list[Row] = []
    if isinstance(work, Import):
        pairs += [("source", work.source)]
    else:
        pairs += [("data", f"holding {short(work.fingerprint)}, {work.image_size} px, trial {work.trial}")]
    if isinstance(work, Probe | FineTune):
        pairs += [("domains", ", ".join(work.domains)), ("images", str(receipt.images))]
    if isinstance(work, Probe):
        pairs += [("probe", f"L2 {work.l2:g}, at most {number_of(work.iterations, 'iteration')}")]
    if isinstance(work, FineTune):
        values = f"learning rate {work.learning_rate:g}, weight decay {work.weight_decay:g}, dropout {work.dropout:g}"
        batch = number_of(work.batch, "image")
        kept = "" if receipt.kept_step is None else f", from step {receipt.kept_step}"
        pairs += [
            ("training", f"{number_of(work.steps, 'step')} ({work.warmup} of the head alone), {batch} a domain"),
            ("values", f"{values}, seed {work.seed}"),
            ("kept", f"{_kept(work.keep)}{kept}"),
        ]
    pairs += [
        ("took", f"{duration(receipt.seconds)} of work, {duration(receipt.overhead)} around it"),
        ("device", receipt.device),
        ("software", ", ".join(f"{name} {version}" for name, version in sorted(receipt.software.items()))),
        ("note", receipt.note),
    ]
    return [pair for pair in pairs if pair[1]]


def curve_rows(receipt: Receipt) -> list[Row]:
    """The curve of a training, drawn: validation score and loss from the first point to the last."""
    points = receipt.curve
    if not points:
        return []
    scores, losses = [point.score for point in points], [point.validation_loss for point in points]
    return [
        (
            "validation score",
            sparkline(scores, CURVE_WIDTH),
            f"{percent(scores[0])} → {percent(scores[-1])} %, best {percent(max(scores))} %",
        ),
        ("validation loss", sparkline(losses, CURVE_WIDTH), f"{losses[0]:.3f} → {losses[-1]:.3f}"),
    ]


def score_rows(lines: Iterable[ScoreLine]) -> list[Row]:
    """A row for each cell that was counted."""
    return [
        (
            line.task if line.trial == 0 else f"{line.task} (trial {line.trial})",
            line.domain,
            line.split,
            line.slice,
            percent(line.accuracy),
            percent(line.margin),
            percent(line.balanced_accuracy),
            str(line.images),
            f"{line.holdings} (self-reported)" if line.self_reported else str(line.holdings),
        )
        for line in lines
    ]


def recall_table(lines: ClassLines) -> tuple[TableLayout, list[Row]]:
    """Layout and rows of the table of classes: recall in percent and number of images on each domain."""
    domains = list(lines.classes[0].recall)
    columns = ("class", *(word for domain in domains for word in (domain, "±", "images")))
    rows = [
        (
            line.name,
            *(
                word
                for one in line.recall.values()
                for word in (percent(one.recall), percent(one.margin), str(one.images))
            ),
        )
        for line in lines.classes
    ]
    return TableLayout(columns, drop=("images", "±")), rows


def recall_title(lines: ClassLines) -> str:
    """The title of a table of classes."""
    where = f"{lines.task}, {lines.split}" + ("" if lines.slice == "all" else f", {lines.slice}")
    trial = f", trial {lines.trial}" if lines.trial else ""
    return f"Classes of {where}{trial} at {lines.image_size} px (recall in percent)"


def duration(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _recipes(entry: Entry) -> str:
    """The first recipes that ended in a version, and in which round."""
    return enumerated([f"{one.recipe} of round {one.round_name or one.round}" for one in entry.recipes], MOST)


def _tag(tag: TagRecord) -> str:
    why = f": {tag.message}" if tag.message else ""
    return f"{tag.name} (by {tag.author or short(tag.node)}, {when(tag.at)}{why})"


def _state(details: Details) -> str:
    """The state with its reason, where it is not the usual one."""
    taken, entry = details.taken_back, details.entry
    if taken is None:
        return "" if entry.state == "admitted" else entry.state
    what = "" if taken.version == entry.id else f", since {short(taken.version)} was taken back"
    why = f": {taken.message}" if taken.message else ""
    instead = f"; {short(taken.replacement)} takes its place" if taken.replacement else ""
    return f"{entry.state}{what} by {taken.author or short(taken.node)}, {when(taken.at)}{why}{instead}"


def _kept(keep: Keep) -> str:
    """The rule by which a run keeps a step, with its parameters."""
    parameters = ", ".join(f"{name} {value:g}" for name, value in keep.model_dump(exclude={"kind"}).items())
    return f"{keep.kind} ({parameters})" if parameters else keep.kind


def ranking_sentence(found: Ranking) -> str:
    """The metric, domains and images of a ranking, in a sentence."""
    many = len(found.domains)
    over = f"the mean over {many} domains ({', '.join(found.domains)})" if many > 1 else f"domain {found.domains[0]}"
    images = f"split {found.split}" + ("" if found.slice == "all" else f", slice {found.slice}")
    images += f", trial {found.trial}" if found.trial else ""
    sharing = sum(one.sharing for one in found.versions)
    left_out = (
        f" Without {number_of(sharing, 'later version')} with the same weights as one of these." if sharing else ""
    )
    return f"Versions for {found.task} by {found.metric.replace('_', ' ')} in percent: {over}, {images}.{left_out}"


def relation_sentence(found: Difference) -> str:
    """Where two versions part."""
    ancestor, (one, two) = found.relation.ancestor, found.relation.steps
    if ancestor is None:
        return "they have no version in common"
    if found.first.id == found.second.id:
        return "they are the same version"
    if not one:
        return f"the second comes from the first, {_steps(two)} later"
    if not two:
        return f"the first comes from the second, {_steps(one)} later"
    return f"both come from {output.short(ancestor.id)}: the first {_steps(one)} later, the second {_steps(two)}"


def _steps(count: int) -> str:
    return number_of(count, "step")
