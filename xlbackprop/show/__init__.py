"""What people look at outside the workbook."""

import logging

# Where it may not write to the home folder, matplotlib makes do with a temporary one and says so in two long
# lines each time. What it says of fonts comes from a logger of its own and is still heard.
logging.getLogger("matplotlib").addFilter(lambda record: record.levelno > logging.WARNING)
