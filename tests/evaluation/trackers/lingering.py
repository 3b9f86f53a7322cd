"""A tracker that says nothing and starts a process that keeps its pipe open."""

import subprocess
import sys
import time

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
time.sleep(120)
