"""The exact bud law as a table, for programs of JAX that ask it millions of times."""

from membrane.bud.table.axes import Ranges
from membrane.bud.table.certificate import Certificate, exact_answer
from membrane.bud.table.kept import table_law
from membrane.bud.table.law import TableAnswer, TableLaw
from membrane.bud.table.situation import Constants

__all__ = ["Certificate", "Constants", "Ranges", "TableAnswer", "TableLaw", "exact_answer", "table_law"]
