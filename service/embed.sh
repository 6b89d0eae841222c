#!/bin/sh
# embed.sh - writes the C file behind base/embed.h: the files that the program carries inside.
#
#   service/embed.sh OUTPUT.c LIST FILE... [-- LIST FILE...]...      LIST is the name of an array in base/embed.h
#
# The output is replaced only when it is whole, and only when it has changed, so that make does not build in vain.
set -eu

output=$1
shift
mkdir -p "$(dirname "$output")"
part=$output.$$ # two makes at once do not write into one
trap 'rm -f "$part"' EXIT

# One initializer: name, bytes, size. As numbers, since string literals have limits and escapes.
embed() {
    printf '    {"%s", (const char *)(const unsigned char[]){\n' "$(basename "$1")"
    od -An -v -tu1 "$1" | sed 's/[0-9][0-9]*/&,/g'
    printf '0}, %d},\n' "$(wc -c <"$1")"
}

{
    printf '/* Made by service/embed.sh: do not edit. */\n#include "base/embed.h"\n'
    while [ $# -gt 0 ]; do
        printf '\nconst struct embed_file %s[] = {\n' "$1"
        shift
        while [ $# -gt 0 ] && [ "$1" != -- ]; do
            embed "$1"
            shift
        done
        printf '    {0, 0, 0},\n};\n'
        if [ $# -gt 0 ]; then
            shift
        fi
    done
} >"$part"
cmp -s "$part" "$output" || mv "$part" "$output"
