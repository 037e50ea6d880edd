"""An agent that reports after a second that it is ready. With the argument "workers", its workers end at once."""

import os
import socket
import sys
import time

time.sleep(1)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
    systemd.connect(os.environ["NOTIFY_SOCKET"])
    systemd.send(b"READY=1")
while True:
    if "workers" in sys.argv:
        if os.fork() == 0:
            time.sleep(0.5)
            print("out of work", flush=True)
            os._exit(1)
        os.wait()
    else:
        time.sleep(60)
