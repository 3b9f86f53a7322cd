"""A tracker that hangs while it starts."""

import time

time.sleep(300)
