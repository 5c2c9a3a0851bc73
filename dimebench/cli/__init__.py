"""The command line: one thin file per command; nothing heavy is imported before a command needs it."""

import os
import sys
import warnings

# Python's warnings are for those who write code. Made errors (PYTHONWARNINGS=error) they would break libraries, and
# shown they are no message of ours; processes that are started from here inherit what is left.
if sys.warnoptions:
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)  # as without the variable
    sys.warnoptions.clear()
os.environ.pop("PYTHONWARNINGS", None)
