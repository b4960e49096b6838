"""The data sets of the paper, from the folders that people have of them: DomainBed's five, and Camelyon17-WILDS.

Nothing is downloaded, and images are read as a node reads them: a data set becomes a task and a `[[data]]` table, as a
contributor would write them by hand. `catalogue` is the table of data sets, `classes` lists their classes, `metadata`
turns their metadata into rows of a manifest, `files` finds a data set on disk and writes it all.
"""

from ratatouille.tasks.domainbed.catalogue import DATA_SETS, DataSet, Layout, data_set_named
from ratatouille.tasks.domainbed.files import Prepared, prepare

__all__ = ["DATA_SETS", "DataSet", "Layout", "Prepared", "data_set_named", "prepare"]
