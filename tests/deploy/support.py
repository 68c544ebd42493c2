"""What the deployment tests share: running programs and asking servers, never without a limit of time."""

import http.client
import json
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, check=True, timeout=120, **options):
    """Runs a program to its end and gives what it printed. A failure has its output in the text."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, cwd=ROOT, **options
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def docker(*command, **options):
    """Runs docker and gives what it printed on standard output."""
    return run("docker", *command, **options).stdout.strip()


def inspect(thing, template):
    """A part of what docker knows of an image or a container."""
    return json.loads(docker("inspect", "--format", "{{json " + template + "}}", thing))


def ask(address, target, headers=None, method="GET"):
    """The status and the body of an answer."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request(method, target, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def eventually(what, condition, seconds=60):
    """Waits until a condition gives something; an error in it is a reason to wait, too. Gives that and the time it took."""
    started = time.monotonic()
    last = None
    while time.monotonic() - started < seconds:
        try:
            last = condition()
            if last:
                return last, time.monotonic() - started
        except (OSError, http.client.HTTPException, AssertionError, ValueError, KeyError) as error:
            last = error
        time.sleep(0.25)
    raise AssertionError(f"{what}: not within {seconds} s; at last: {last!r}")
