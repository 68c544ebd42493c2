#!/usr/bin/python3
"""Loads an RPM repository with librepo, as dnf does, and prints the packages that it has, one `name version` a line.

Usage: librepo_load.py metalink|mirrorlist URL FOLDER
"""

import gzip
import sys
import xml.etree.ElementTree as ElementTree

import librepo

RPM = "{http://linux.duke.edu/metadata/common}"


def main():
    kind, url, folder = sys.argv[1:]
    handle = librepo.Handle()
    handle.repotype = librepo.LR_YUMREPO
    handle.destdir = folder
    if kind == "metalink":
        handle.metalinkurl = url
    else:
        handle.mirrorlisturl = url
    try:
        repository = handle.perform(librepo.Result()).yum_repo
    except librepo.LibrepoException as error:
        sys.exit(f"librepo: {error}")
    with gzip.open(repository["primary"]) as primary:
        for package in ElementTree.parse(primary).getroot().iter(f"{RPM}package"):
            print(package.findtext(f"{RPM}name"), package.find(f"{RPM}version").get("ver"))


main()
