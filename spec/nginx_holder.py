"""Holds an nginx for the specs: it binds the ports that nginx listens on, and ends nginx when its input ends.

Usage: nginx_holder.py DIRECTORY PORTS DIRECTIVES, where nginx.conf.in has ${port1}, ${port2}, ... for the
ports; the directives are nginx's argument -g. Its output is one line: "ready", the process id of the master and
the ports; or "failed".
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

START_SECONDS = 10
END_SECONDS = 5


def bind():
    """A port that the kernel picks is never somebody else's: nginx takes the socket as it is."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(511)
    listening.setblocking(False)
    return listening


def fill(folder, ports):
    template = (folder / "nginx.conf.in").read_text()
    for number, port in enumerate(ports, 1):
        template = template.replace("${port%d}" % number, str(port))
    return template


def start(folder, sockets, directives):
    fds = [listening.fileno() for listening in sockets]
    # As a new nginx gets them from the old one when its binary is replaced.
    inherited = dict(os.environ, NGINX="".join("%d;" % fd for fd in fds))
    inherited["PATH"] = inherited.get("PATH", "") + ":/usr/sbin:/usr/local/openresty/nginx/sbin"
    with open(folder / "error.log", "ab") as log:
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"),
                   "-g", directives]
        # A group of its own: Ctrl-C is for the specs, and the group has all workers, also without their master.
        return subprocess.Popen(command, pass_fds=fds, env=inherited, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, start_new_session=True)


def is_ready(folder, nginx):
    """The master writes its id when it has read its configuration and has the ports."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and nginx.poll() is None:
        if (folder / "nginx.pid").exists():
            return True
        time.sleep(0.01)
    return False


def end(nginx):
    nginx.terminate()
    try:
        nginx.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(nginx.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    nginx.wait()


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = pathlib.Path(sys.argv[1])
    sockets = [bind() for _ in range(int(sys.argv[2]))]
    ports = [listening.getsockname()[1] for listening in sockets]
    (folder / "nginx.conf").write_text(fill(folder, ports))
    nginx = start(folder, sockets, sys.argv[3])
    for listening in sockets:
        listening.close()
    try:
        ready = is_ready(folder, nginx)
        print("ready %d %s" % (nginx.pid, " ".join(map(str, ports))) if ready else "failed", flush=True)
        os.close(1)
        sys.stdin.buffer.read()
    finally:
        end(nginx)
        subprocess.run(["rm", "-rf", str(folder)], check=False)


main()
