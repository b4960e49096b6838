"""Tasks (what is to be recognised) and holdings (a node's data for them).

`task` defines a task and which images train, validate and test, for life; `holding` is what a node publishes about its
data; `settings` is what its owner says of data and work. These need no image library and are named here.
`data.open_data` reads images (folders or a CSV manifest) and needs Pillow, as do `emoji` and `synthetic`, which write
tasks to try things with. No network, no weights, no torch: training is left to other rooms.
"""

from ratatouille.tasks.holding import Holding
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.task import Split, SplitRule, Task, load_task, split_of

__all__ = ["DataSettings", "Holding", "Split", "SplitRule", "Task", "load_task", "split_of"]
