#!/bin/sh
# Fetches a mirrorlist cache from CACHE_URL to a file, where it is newer, in one step: `fetch-cache.sh once FILE` ends and fails
# without a cache, `fetch-cache.sh forever FILE` goes on every INTERVAL_SECONDS, whatever happens.
set -eu

fetch() {
    # Alone in its folder as a hidden file: what a killed run left is written over.
    new=$(dirname "$1")/.fetched
    rm -f "$new"
    # The time of the file here is the one that the other side said, and what is asked is whether theirs is newer.
    set -- "$1" --remote-time --output "$new"
    target=$1
    shift
    if [ -e "$target" ]; then
        set -- "$@" --time-cond "$target"
    fi
    curl --silent --show-error --fail --location --connect-timeout 20 --max-time 600 --retry 3 "$@" "$CACHE_URL" || return 1
    if [ -s "$new" ]; then
        mv -f "$new" "$target"
        echo "new cache from $CACHE_URL"
    fi
}

case $1 in
    once) fetch "$2" ;;
    forever)
        # As the first process of a container it would not notice SIGTERM by itself.
        trap 'exit 0' TERM INT
        while :; do
            sleep "${INTERVAL_SECONDS:-900}" &
            wait $!
            fetch "$2" || echo "no cache from $CACHE_URL; the old one stays" >&2
        done
        ;;
esac
