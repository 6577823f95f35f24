"""One kernel per aggregate: from rows and ranges of them to a value per range."""

from stream.backfill.columnar.kernels.groups import Groups
from stream.backfill.columnar.kernels.table import KERNELS, Kernel, groups_of, value_of

__all__ = ["KERNELS", "Groups", "Kernel", "groups_of", "value_of"]
