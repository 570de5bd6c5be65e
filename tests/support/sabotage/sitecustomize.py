"""On PYTHONPATH, this takes one check away from one keyholder's process, as a bad build of it would.

::

    SABOTAGED_HOME    the end of the path of the folder of the keyholder that is concerned
    SABOTAGED_CHECK   the check of `consentry.keyholder.checks.RELEASE` that it does not make
"""

import os
import sys


def _is_concerned() -> bool:
    words = sys.orig_argv
    return "serve" in words and words[words.index("--home") + 1].endswith(os.environ["SABOTAGED_HOME"])


def _sabotage() -> None:
    from consentry.keyholder import checks

    checks.RELEASE[os.environ["SABOTAGED_CHECK"]] = lambda release: None


if _is_concerned():
    _sabotage()
