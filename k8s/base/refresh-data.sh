#!/bin/sh
# Fetches what a mirrorlist server knows of networks and countries, and puts it into a folder, each file in one step:
#
#     refresh-data.sh FOLDER          for cron, a timer or the CronJob of k8s/
#     refresh-data.sh --wait FILE...  waits until these files are there; fetches nothing
#
# | file | from | licence |
# |---|---|---|
# | global_netblocks.txt | CAIDA's prefix-to-AS tables of RouteViews, new daily | CAIDA's acceptable use agreement; RouteViews is CC BY 4.0 |
# | country.mmdb | DB-IP's IP to Country Lite, new monthly; or GeoLite2, new twice a week | CC BY 4.0, with a link to db-ip.com; MaxMind's EULA |
# | country_continent.csv | GeoNames' list of countries | CC BY 4.0 |
#
# GeoLite2 is taken where MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY are set. PREFIXES_URL, PREFIXES6_URL, DBIP_URL, MAXMIND_URL
# and GEONAMES_URL name other places with the same files. A file that can't be had leaves the old one as it is; the exit code is
# then 1, after the others were tried. Needs curl, gzip, awk and tar, no more than an Alpine image with curl has.
set -eu

: "${PREFIXES_URL:=https://publicdata.caida.org/datasets/routing/routeviews-prefix2as}"
: "${PREFIXES6_URL:=https://publicdata.caida.org/datasets/routing/routeviews6-prefix2as}"
: "${DBIP_URL:=https://download.db-ip.com/free}"
: "${MAXMIND_URL:=https://download.maxmind.com/geoip/databases/GeoLite2-Country/download?suffix=tar.gz}"
: "${GEONAMES_URL:=https://download.geonames.org/export/dump/countryInfo.txt}"

main() {
    if [ "$1" = --wait ]; then
        shift
        wait_for "$@"
        exit 0
    fi
    folder=$1
    # In the folder of the files, so that renaming them is one step.
    work=$(mktemp -d "$folder/.refresh.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
    status=0
    # In a condition `set -e` does not count, hence the many returns below.
    for file in global_netblocks.txt country.mmdb country_continent.csv; do
        if ! { make "$file" "$work/$file" && publish "$file"; }; then
            echo "$file: not refreshed" >&2
            status=1
        fi
    done
    exit "$status"
}

make() {
    case $1 in
        global_netblocks.txt) make_global_netblocks "$2" ;;
        country.mmdb) make_country "$2" ;;
        country_continent.csv) make_country_continent "$2" ;;
    esac
}

wait_for() {
    for file in "$@"; do
        until [ -s "$file" ]; do
            echo "waiting for $file" >&2
            sleep 5
        done
    done
}

# IPv4 before IPv6. A prefix that several systems announce is the first one's.
make_global_netblocks() {
    prefixes "$PREFIXES_URL" >"$1" && prefixes "$PREFIXES6_URL" >>"$1"
}

prefixes() {
    get "$1/pfx2as-creation.log" >"$work/log" || return 1
    latest=$(awk '!/^#/ && NF >= 3 { path = $3 } END { print path }' "$work/log")
    [ -n "$latest" ] || return 1
    get "$1/$latest" >"$work/prefixes.gz" || return 1
    gzip -dc "$work/prefixes.gz" >"$work/prefixes" || return 1
    awk '{ split($3, origin, /[_,]/); print $1 "/" $2, origin[1] }' "$work/prefixes"
}

make_country() {
    if [ -n "${MAXMIND_LICENSE_KEY:-}" ]; then
        # By standard input: the arguments of a program are no secret.
        printf 'user = "%s:%s"\n' "$MAXMIND_ACCOUNT_ID" "$MAXMIND_LICENSE_KEY" |
            get "$MAXMIND_URL" --config - >"$work/geolite2.tar.gz" || return 1
        mkdir -p "$work/geolite2"
        gzip -dc "$work/geolite2.tar.gz" >"$work/geolite2.tar" && tar -x -f "$work/geolite2.tar" -C "$work/geolite2" || return 1
        mv "$work"/geolite2/*/GeoLite2-Country.mmdb "$1"
        return
    fi
    # On the first days of a month there is only the last month's.
    for month in "$(date -u +%Y-%m)" "$(last_month)"; do
        if get "$DBIP_URL/dbip-country-lite-$month.mmdb.gz" >"$work/dbip.gz" && gzip -dc "$work/dbip.gz" >"$1"; then
            return 0
        fi
    done
    return 1
}

last_month() {
    date -u +%Y-%m | awk -F - '{ if ($2 == 1) printf "%d-12", $1 - 1; else printf "%d-%02d", $1, $2 - 1 }'
}

make_country_continent() {
    get "$GEONAMES_URL" >"$work/countries" || return 1
    { echo 'iso 3166 country,continent'; awk -F '\t' '!/^#/ && length($1) == 2 { print $1 "," $9 }' "$work/countries"; } >"$1"
    # A page that says sorry is no list of countries.
    [ "$(wc -l <"$1")" -gt 1 ]
}

get() {
    url=$1
    shift
    curl --silent --show-error --fail --location --connect-timeout 20 --max-time 900 --retry 3 "$@" "$url"
}

publish() {
    [ -s "$work/$1" ] || return 1
    chmod 644 "$work/$1" && mv -f "$work/$1" "$folder/$1"
}

if [ $# -eq 0 ]; then
    echo 'usage: refresh-data.sh FOLDER, or refresh-data.sh --wait FILE...' >&2
    exit 64
fi
main "$@"
