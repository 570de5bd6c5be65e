"""The table of all readers of bytes from outside; a new one is one row in the module of its sort."""

from tests.attacks.parsers.files import FILES
from tests.attacks.parsers.handed import HANDED
from tests.attacks.parsers.nodes import NODES
from tests.attacks.parsers.parser import Parser
from tests.attacks.parsers.sealed import SEALED
from tests.attacks.parsers.wires import WIRES

PARSERS: dict[str, Parser] = {**SEALED, **FILES, **WIRES, **HANDED, **NODES}

__all__ = ["PARSERS", "Parser"]
