"""Read by Python as it starts, from a folder that a process under fault has first on its path: its clock is wrong by
`CHAOS_CLOCK` seconds from its first line on. The pace of time, and timers, stay right.
"""

import os
import time

_SECONDS = float(os.environ.get("CHAOS_CLOCK", "0"))

if _SECONDS:
    import time_machine

    time_machine.travel(time.time() + _SECONDS, tick=True).start()
