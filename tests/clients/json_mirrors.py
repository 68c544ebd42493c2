"""A program that reads JSON answers: downloads a file from the first of its mirrors that has it in the current version.

Usage: json_mirrors.py URL, where URL is that of a metalink with format=json. Prints the name of the host and the file.
"""

import hashlib
import json
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1]) as response:
    assert response.headers.get_content_type() == "application/json", response.headers
    answer = json.load(response)
assert answer["version"] == 1, answer
current = answer["file"]["versions"][0]
for host in (host for tier in answer["tiers"] for host in tier["hosts"]):
    for url in host["urls"]:
        if url["protocol"] not in ("http", "https"):
            continue
        try:
            with urllib.request.urlopen(url["url"]) as response:
                content = response.read()
        except OSError:
            continue
        if len(content) == current["size"] and hashlib.sha256(content).hexdigest() == current["sha256"]:
            print(host["name"])
            print(content.decode(), end="")
            sys.exit()
sys.exit("no mirror has the file")
