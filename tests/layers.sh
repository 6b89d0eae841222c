#!/bin/sh
# layers.sh - a file includes headers of its own folder and of lower layers only: base < io < usage < app < main.
set -eu
cd "$(dirname "$0")/.."

level() {
    case $1 in
    base) echo 1 ;;
    io) echo 2 ;;
    usage) echo 3 ;;
    app) echo 4 ;;
    *) echo 0 ;;
    esac
}

bad=0
for file in service/*/*.c service/*/*.h; do
    folder=$(basename "$(dirname "$file")")
    mine=$(level "$folder")
    # Names of headers hold no blanks.
    # shellcheck disable=SC2013
    for include in $(sed -n 's/^#include "\(.*\)"$/\1/p' "$file"); do
        theirs=$(level "${include%%/*}")
        if [ "$theirs" -eq 0 ]; then
            echo "$file: \"$include\" is not written with its folder" >&2
            bad=1
        elif [ "$theirs" -gt "$mine" ]; then
            echo "$file: includes \"$include\" of a higher layer" >&2
            bad=1
        fi
    done
done
exit $bad
