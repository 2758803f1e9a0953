#!/bin/sh
# Formats every Java source of the project in place, with the formatter and JDK that the build checks with.
set -eu
cd "$(dirname "$0")/.."
exec mvn -q -B -ntp -N initialize -Dhalcyon.format.skip=false -Dhalcyon.format.mode=fix "$@"
