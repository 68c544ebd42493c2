#!/bin/sh
# Prints a software bill of materials (CycloneDX 1.5, JSON) of what is compiled into the programs for a target like
# x86_64-unknown-linux-musl: from Cargo.lock, through cargo, without further tools. Crates used only while building are not in it.
set -eu

cargo tree --locked --offline --target "$1" --edges normal,no-proc-macro --prefix none --no-dedupe --format '{p}|{l}' |
    sort -u |
    awk -F '|' '
        # Both files of a crate: what cargo knows of it, and its checksum in Cargo.lock.
        FILENAME != "-" {
            if ($0 ~ /^name = /) { split($0, part, "\""); name = part[2] }
            if ($0 ~ /^version = /) { split($0, part, "\""); version = part[2] }
            if ($0 ~ /^checksum = /) { split($0, part, "\""); checksum[name " " version] = part[2] }
            next
        }
        {
            split($1, word, " ")
            crate = word[1]
            version = substr(word[2], 2)
            purl = "pkg:cargo/" crate "@" version
            licence = $2
            gsub("/", " OR ", licence)
            gsub(" +", " ", licence)
            text = "{\"type\":\"" (crate == "mirrorlist-server" ? "application" : "library") "\",\"bom-ref\":\"" purl \
                "\",\"name\":\"" crate "\",\"version\":\"" version "\",\"purl\":\"" purl "\""
            if (licence != "") text = text ",\"licenses\":[{\"expression\":\"" licence "\"}]"
            if ((crate " " version) in checksum)
                text = text ",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":\"" checksum[crate " " version] "\"}]"
            text = text "}"
            if (crate == "mirrorlist-server") main = text
            else components = components (components == "" ? "" : ",\n    ") text
        }
        END {
            print "{"
            print "  \"bomFormat\": \"CycloneDX\","
            print "  \"specVersion\": \"1.5\","
            print "  \"version\": 1,"
            print "  \"metadata\": {\"component\": " main "},"
            print "  \"components\": ["
            print "    " components
            print "  ]"
            print "}"
        }
    ' Cargo.lock -
