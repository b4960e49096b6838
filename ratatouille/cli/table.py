"""The table of commands: the function of each, its heading in the help, one line about it, and an example.

Tests hold that each function exists, that its docstring begins with the summary, and that its help shows the example.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One row: `path` is what people type after `ratatouille`."""

    path: tuple[str, ...]
    where: str
    summary: str
    example: str
    posix: bool = False
    """Whether it needs Linux or macOS."""


def _row(path: str, where: str, summary: str, example: str, posix: bool = False) -> Command:
    return Command(tuple(path.split()), where, summary, f"ratatouille {example}", posix)


# One command is one line.
# fmt: off
SECTIONS: dict[str, tuple[Command, ...]] = {
    "START": (
        _row("demo", "coordinator.commands.demo:demo", "Run a whole federation on this machine and show what it finds.", "demo", posix=True),
        _row("init", "coordinator.commands.files:init", "Write a commented task, node or round file.", "init node"),
        _row("check", "coordinator.commands.files:check", "Say what a task, node or round file would do.", "check node.toml"),
        _row("dataset", "ratatouille.cli.datasets:dataset", "Write task and node files for a data set of the paper.", "dataset pacs --data-dir data"),
        _row("remote add", "ratatouille.cli.remotes:add", "Name the address of a registry.", "remote add ours grpc://127.0.0.1:9290"),
        _row("remote list", "ratatouille.cli.remotes:list_", "List the named registries.", "remote list"),
        _row("remote remove", "ratatouille.cli.remotes:remove", "Forget a named registry.", "remote remove ours"),
        _row("config", "ratatouille.cli.remotes:config", "Show the settings in force and where they come from.", "config"),
        _row("config name", "ratatouille.cli.remotes:name", "Say or change the name that the history shows for you.", "config name anna"),
    ),
    "CONTRIBUTE": (
        _row("node check", "contributor_client.commands.checks:check", "Check line, keys, data and device before a node joins; nothing is changed or used up.", "node check invitation.txt", posix=True),
        _row("node join", "contributor_client.commands.node:join", "Offer data and work to a federation until stopped.", "node join node.toml", posix=True),
        _row("node doctor", "contributor_client.commands.checks:doctor", "Check a running node of this machine: its processes, both lanes, its work, and all that `node check` does.", "node doctor", posix=True),
        _row("node status", "contributor_client.commands.node:status", "List the nodes that are here and what they do.", "node status"),
        _row("node pause", "contributor_client.commands.control:pause", "Pause a running node of this machine until it is resumed.", "node pause", posix=True),
        _row("node resume", "contributor_client.commands.control:resume", "Let a paused node work again, from where it was saved.", "node resume", posix=True),
        _row("node leave", "contributor_client.commands.control:leave", "End a running node of this machine, as Ctrl-C in its terminal does.", "node leave my-node", posix=True),
        _row("node outbox", "contributor_client.commands.outbox:outbox", "Show what left this machine for a node: when, what, its digest, how many bytes, and to whom.", "node outbox --kind weights", posix=True),
        _row("node preview", "contributor_client.commands.preview:preview", "Show the receipt that a node would send for an order, or sent last, field by field, with sizes.", "node preview --last", posix=True),
        _row("node report", "contributor_client.commands.node_report:report", "Compare what a node's own trainings reach with the shared model, on the node's validation images.", "node report --round spring", posix=True),
        _row("node service", "contributor_client.commands.service:service", "Write a systemd unit or a Compose file that runs a node, with your paths.", "node service systemd node.toml --output ~/.config/systemd/user/node.service", posix=True),
        _row("node forget", "contributor_client.commands.node:forget", "Remove what this machine keeps of your images: decoded copies, features, hashes, checkpoints.", "node forget node.toml", posix=True),
        _row("pull", "contributor_client.commands.pull:pull", "Write a version to a folder that timm and Hugging Face load.", "pull stable leaves"),
        _row("push", "registry.commands.enter:push", "Enter a checkpoint that was trained elsewhere.", "push leaves --task leaves --from stable"),
        _row("web-login", "registry.commands.web_login:web_login", "Print a link that opens the registry's web page in a browser.", "web-login"),
        _row("me", "registry.commands.me:me", "Show what your nodes did, what is released of it, what was not taken and why, and what they offer.", "me"),
        _row("members join", "registry.commands.joining:join", "Become a member by an invitation, without a node.", "members join --invite invitation.txt --name anna"),
        _row("members add-device", "registry.commands.invitations:add_device", "Print an invitation for another device of yours.", "members add-device"),
        _row("members rotate", "registry.commands.rotation:rotate", "Replace the key of this machine by a new one, in every federation that it joined.", "members rotate -m 'once a year'"),
        _row("withdraw", "registry.commands.withdraw:withdraw", "Take back what a node of this machine contributed.", "withdraw 3f2a -m 'wrong labels'"),
    ),
    "MAINTAIN": (
        _row("coordinator up", "coordinator.commands.service:up", "Start registry and coordinator on this machine.", "coordinator up", posix=True),
        _row("coordinator status", "coordinator.commands.service:status", "Say whether a coordinator is up, and where.", "coordinator status"),
        _row("coordinator proxy", "coordinator.commands.proxy:proxy", "Print the configuration of nginx or Caddy that lets others in as our front door does.", "coordinator proxy nginx --public shared.example.org:443"),
        _row("coordinator down", "coordinator.commands.service:down", "Stop the coordinator of this machine.", "coordinator down", posix=True),
        _row("members invite", "registry.commands.invitations:invite", "Print an invitation: one line, with which others become members.", "members invite --name anna"),
        _row("members list", "registry.commands.members:list_", "List the members, by name, or the invitations.", "members list"),
        _row("members show", "registry.commands.members:show", "Show a member: role, state, keys, and the invitation by which it joined.", "members show anna"),
        _row("members approve", "registry.commands.members:approve", "Approve a member who waits.", "members approve anna"),
        _row("members role", "registry.commands.members:set_role", "Give a member another role. A reader's nodes may not work, so their work ends.", "members role anna maintainer"),
        _row("members link", "registry.commands.members:link", "Enter a new device key of a member who has lost one.", "members link anna $KEY --lost 3f2a"),
        _row("members revoke", "registry.commands.members:revoke", "Revoke the keys of a member for ever, and list its contributions.", "members revoke anna -m 'wrong labels'"),
        _row("foundation", "contributor_client.commands.foundation:foundation", "Enter the weights that everybody starts from.", "foundation efficientnet-lite0 --as latest"),
        _row("task add", "registry.commands.enter:task_add", "Define a task from a task.toml, once for all.", "task add task.toml"),
        _row("task list", "registry.commands.enter:task_list", "List the tasks that are defined.", "task list"),
        _row("duplicates", "coordinator.commands.duplicates:duplicates", "Count images of a target that other tasks nearly repeat.", "duplicates node.toml hashes.json"),
        _row("round plan", "coordinator.commands.round:plan_", "Show what a round would run, where, and what is known.", "round plan round.toml"),
        _row("round run", "coordinator.commands.round:run", "Run a round to its end, or follow one that runs.", "round run round.toml"),
        _row("round list", "coordinator.commands.round:list_", "List the rounds, the latest first.", "round list"),
        _row("round status", "coordinator.commands.round:status", "Show where a round stands.", "round status emoji"),
        _row("round logs", "coordinator.commands.round:logs", "Show what happened in a round.", "round logs emoji --follow"),
        _row("round cancel", "coordinator.commands.round:cancel", "End a round; what it has is kept.", "round cancel emoji"),
        _row("round report", "coordinator.commands.round:report_", "Show the result of a round as a table.", "round report emoji"),
        _row("round export", "coordinator.commands.round_export:export", "Write a round as MLflow runs: settings, metrics by step, table and figure.", "round export emoji --mlflow mlruns"),
        _row("release", "registry.commands.release:release", "Point an alias at a version; rounds start from there.", "release 3f2a --as stable"),
        _row("tag", "registry.commands.release:tag", "Give a version a name for ever, or list the names.", "tag 3f2a spring-2026"),
        _row("review list", "registry.commands.review:list_", "List versions by what their review says, the latest first.", "review list --state quarantined"),
        _row("review show", "registry.commands.review:show", "Show the reviews of a version: who says what, why, and on which numbers.", "review show 3f2a"),
        _row("review accept", "registry.commands.review:accept", "Let a version into averages, whatever a gate says.", "review accept 3f2a -m 'its photographs are rare'"),
        _row("review reject", "registry.commands.review:reject", "Keep a version out of averages for ever.", "review reject 3f2a -m 'copied from another member'"),
        _row("retract", "registry.commands.release:retract", "Take a version back, and make its averages again without it.", "retract 3f2a -m 'wrong labels' --dry-run"),
    ),
    "READ": (
        _row("log", "registry.commands.log:log", "List versions, the latest first.", "log --task emoji-things --since 2w --graph"),
        _row("show", "registry.commands.log:show", "Show everything about a version.", "show latest"),
        _row("diff", "registry.commands.diff:diff", "Compare two versions: their weights, tensor by tensor, and their evaluations.", "diff stable latest"),
        _row("lineage", "registry.commands.lineage:lineage", "Show what a version was made from.", "lineage latest --contributions"),
        _row("credit", "registry.commands.credit:credit", "Show what each contributor is worth in an average, counted with and without its part.", "credit stable --of contributions"),
        _row("verify", "registry.commands.verify:verify", "Check bytes and signatures, and recompute averages.", "verify latest"),
        _row("evaluate", "contributor_client.commands.own_data:evaluate", "Score versions on images of your own, which stay here.", "evaluate latest --data images"),
        _row("best", "contributor_client.commands.own_data:best", "Rank versions by their evaluations, or on images of your own.", "best --task emoji-things"),
    ),
    "RESEARCH": (
        _row("analyse", "coordinator.commands.analyse:analyse", "Answer a question about a round's runs, with a figure and a table.", "analyse connectivity round.toml"),
        _row("recipes", "ratatouille.cli.tables:recipes", "List the recipes and their three columns.", "recipes"),
        _row("protocols", "ratatouille.cli.tables:protocols", "List the protocols and their values.", "protocols"),
        _row("benchmark", "coordinator.commands.benchmark:benchmark", "Compare recipes over many trials and write one report.", "benchmark emoji --dry-run", posix=True),
    ),
    "REGISTRY": (
        _row("registry usage", "registry.commands.maintenance:usage", "Show what a registry holds, and how much room it has.", "registry usage"),
        _row("registry gc", "registry.commands.maintenance:gc", "Remove the weights that the retention policy does not keep.", "registry gc"),
        _row("registry serve", "registry.commands.maintenance:serve", "Serve a registry without a coordinator.", "registry serve", posix=True),
        _row("registry web", "registry.commands.maintenance:web", "Show a registry's history as a web page.", "registry web --remote ours", posix=True),
        _row("registry settings", "registry.commands.maintenance:settings", "Show what a registry allows, or change it; a running service follows at once.", "registry settings node_transfers 4"),
        _row("registry head", "registry.commands.log_heads:head", "Show the head of a registry's log, compare it with another one, or sign it.", "registry head --output head.json"),
        _row("registry accept-head", "registry.commands.log_heads:accept_head", "Accept a history that does not follow the one that this machine saw.", "registry accept-head --remote ours"),
        _row("registry restored", "registry.commands.log_heads:restored", "State that a registry was set back knowingly, such as by restoring a backup.", "registry restored -m 'disk failure, backup of Monday' --before head.json"),
        _row("registry backup", "registry.commands.exports:backup", "Copy history and weights to a folder, while the registry is in use.", "registry backup backups/ours"),
        _row("registry restore", "registry.commands.exports:restore", "Make a registry from a backup, with any database and any store.", "registry restore backups/ours --to registry"),
        _row("registry export", "registry.commands.exports:export", "Write versions with their ancestors and receipts to one file.", "registry export stable stable.tar"),
        _row("registry import", "registry.commands.exports:import_", "Check versions from a file, and enter them with their history.", "registry import stable.tar --remote ./registry"),
    ),
}
# fmt: on

COMMANDS: tuple[Command, ...] = tuple(command for rows in SECTIONS.values() for command in rows)
